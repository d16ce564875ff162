-- CreateTable
CREATE TABLE "links" (
    "id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "agent_fingerprint" TEXT,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "connected_at" TIMESTAMPTZ(3),
    "error_code" TEXT,
    "error_text" TEXT,
    "error_at" TIMESTAMPTZ(3),
    "agent_id" UUID,

    CONSTRAINT "links_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "links_group_id_name_key" ON "links"("group_id", "name");

-- AddForeignKey
ALTER TABLE "links" ADD CONSTRAINT "links_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;
