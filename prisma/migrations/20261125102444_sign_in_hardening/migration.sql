-- AlterTable
ALTER TABLE "operator_sessions" ADD COLUMN     "address" TEXT NOT NULL DEFAULT 'unknown',
ADD COLUMN     "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- CreateTable
CREATE TABLE "operator_totps" (
    "operator_id" UUID NOT NULL,
    "sealed_secret" BYTEA NOT NULL,
    "last_step" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "confirmed_at" TIMESTAMPTZ(3),

    CONSTRAINT "operator_totps_pkey" PRIMARY KEY ("operator_id")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "id" UUID NOT NULL,
    "principal_id" UUID NOT NULL,
    "key_hash" TEXT NOT NULL,
    "sealed_exchange" BYTEA NOT NULL,
    "lease" UUID NOT NULL,
    "leased_at" TIMESTAMPTZ(3) NOT NULL,
    "acted" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "idempotency_keys_principal_id_key_hash_key" ON "idempotency_keys"("principal_id", "key_hash");

-- AddForeignKey
ALTER TABLE "operator_totps" ADD CONSTRAINT "operator_totps_operator_id_fkey" FOREIGN KEY ("operator_id") REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE;
