-- AlterTable
ALTER TABLE "keyring_versions" ADD COLUMN     "retired_at" TIMESTAMPTZ(3),
ADD COLUMN     "state" TEXT NOT NULL DEFAULT 'active',
ALTER COLUMN "wrapped_key" DROP NOT NULL;

-- AlterTable
ALTER TABLE "secret_versions" ADD COLUMN     "group_id" UUID;
UPDATE "secret_versions" v SET "group_id" = s."group_id" FROM "secrets" s WHERE s."id" = v."secret_id";
ALTER TABLE "secret_versions" ALTER COLUMN "group_id" SET NOT NULL;

-- A group seals with one key at a time.
CREATE UNIQUE INDEX "keyring_versions_one_active" ON "keyring_versions"("group_id") WHERE "state" = 'active';

-- CreateIndex
CREATE INDEX "delivery_keys_group_id_key_version_idx" ON "delivery_keys"("group_id", "key_version");

-- CreateIndex
CREATE INDEX "secret_versions_group_id_key_version_idx" ON "secret_versions"("group_id", "key_version");
