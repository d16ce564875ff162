-- AlterTable
ALTER TABLE "secrets" ADD COLUMN     "lease" JSONB;

-- CreateTable
CREATE TABLE "leases" (
    "id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "secret_id" UUID NOT NULL,
    "secret_name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "agent_id" UUID NOT NULL,
    "application" JSONB NOT NULL,
    "request_id" TEXT NOT NULL,
    "granted_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "lasts_until" TIMESTAMPTZ(3) NOT NULL,
    "max_uses" INTEGER,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "leases_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "leases_group_id_id_idx" ON "leases"("group_id", "id");

-- CreateIndex
CREATE INDEX "leases_agent_id_ended_at_idx" ON "leases"("agent_id", "ended_at");

-- CreateIndex
CREATE INDEX "leases_secret_id_idx" ON "leases"("secret_id");

-- CreateIndex
CREATE INDEX "leases_expires_at_idx" ON "leases"("expires_at");

-- AddForeignKey
ALTER TABLE "leases" ADD CONSTRAINT "leases_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "leases" ADD CONSTRAINT "leases_agent_id_fkey" FOREIGN KEY ("agent_id") REFERENCES "agents"("id") ON DELETE CASCADE ON UPDATE CASCADE;
