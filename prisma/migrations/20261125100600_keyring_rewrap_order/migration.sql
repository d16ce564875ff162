-- DropIndex
DROP INDEX "certificate_bodies_group_id_key_version_idx";

-- DropIndex
DROP INDEX "delivery_keys_group_id_key_version_idx";

-- DropIndex
DROP INDEX "secret_versions_group_id_key_version_idx";

-- CreateIndex
CREATE INDEX "certificate_bodies_group_id_key_version_id_idx" ON "certificate_bodies"("group_id", "key_version", "id");

-- CreateIndex
CREATE INDEX "delivery_keys_group_id_key_version_epoch_idx" ON "delivery_keys"("group_id", "key_version", "epoch");

-- CreateIndex
CREATE INDEX "secret_versions_group_id_key_version_id_idx" ON "secret_versions"("group_id", "key_version", "id");
