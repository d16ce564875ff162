-- AlterTable
ALTER TABLE "groups" ADD COLUMN     "agent_methods" TEXT[] DEFAULT ARRAY['key', 'token']::TEXT[];

-- CreateTable
CREATE TABLE "agent_tokens" (
    "id" UUID NOT NULL,
    "agent_id" UUID NOT NULL,
    "secret_hash" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "agent_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "agent_tokens_agent_id_idx" ON "agent_tokens"("agent_id");

-- CreateIndex
CREATE INDEX "agent_tokens_expires_at_idx" ON "agent_tokens"("expires_at");

-- CreateIndex
CREATE INDEX "agent_tokens_revoked_at_idx" ON "agent_tokens"("revoked_at");

-- AddForeignKey
ALTER TABLE "agent_tokens" ADD CONSTRAINT "agent_tokens_agent_id_fkey" FOREIGN KEY ("agent_id") REFERENCES "agents"("id") ON DELETE CASCADE ON UPDATE CASCADE;
