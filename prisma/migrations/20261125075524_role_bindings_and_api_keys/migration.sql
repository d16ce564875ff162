-- CreateTable
CREATE TABLE "role_bindings" (
    "id" UUID NOT NULL,
    "operator_id" UUID,
    "api_key_id" UUID,
    "role" TEXT NOT NULL,
    "group_id" UUID,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "role_bindings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "secret_hash" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "rotated_from_id" UUID,
    "warned_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "role_bindings_operator_id_idx" ON "role_bindings"("operator_id");

-- CreateIndex
CREATE INDEX "role_bindings_api_key_id_idx" ON "role_bindings"("api_key_id");

-- CreateIndex
CREATE INDEX "role_bindings_group_id_idx" ON "role_bindings"("group_id");

-- CreateIndex
CREATE INDEX "api_keys_expires_at_idx" ON "api_keys"("expires_at");

-- AddForeignKey
ALTER TABLE "role_bindings" ADD CONSTRAINT "role_bindings_operator_id_fkey" FOREIGN KEY ("operator_id") REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_bindings" ADD CONSTRAINT "role_bindings_api_key_id_fkey" FOREIGN KEY ("api_key_id") REFERENCES "api_keys"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "role_bindings" ADD CONSTRAINT "role_bindings_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "role_bindings" ADD CONSTRAINT "role_bindings_one_holder" CHECK (num_nonnulls("operator_id", "api_key_id") = 1);

-- A role is held once in a group, and once everywhere.
CREATE UNIQUE INDEX "role_bindings_held_once" ON "role_bindings"(coalesce("operator_id", "api_key_id"), "role", coalesce("group_id", '00000000-0000-0000-0000-000000000000'));

-- What operators were allowed everywhere, they are.
INSERT INTO "role_bindings" ("id", "operator_id", "role", "created_by", "created_at")
SELECT gen_random_uuid(), "id", "role", 'migration', now() FROM "operators";

-- AlterTable
ALTER TABLE "operators" DROP COLUMN "role";
