-- AlterTable
ALTER TABLE "agents" ADD COLUMN     "behind_revision" INTEGER,
ADD COLUMN     "behind_since" TIMESTAMPTZ(3),
ADD COLUMN     "moved_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "bans" (
    "id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "agent_id" UUID NOT NULL,
    "agent_name" TEXT NOT NULL,
    "banned_name" TEXT,
    "signing_key" TEXT NOT NULL,
    "encryption_key" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "bans_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "bans_agent_id_key" ON "bans"("agent_id");

-- CreateIndex
CREATE INDEX "bans_group_id_banned_name_idx" ON "bans"("group_id", "banned_name");

-- CreateIndex
CREATE INDEX "bans_signing_key_idx" ON "bans"("signing_key");

-- CreateIndex
CREATE INDEX "bans_encryption_key_idx" ON "bans"("encryption_key");

-- CreateIndex
CREATE INDEX "agents_moved_at_idx" ON "agents"("moved_at");

-- AddForeignKey
ALTER TABLE "bans" ADD CONSTRAINT "bans_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;
