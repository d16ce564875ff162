-- AlterTable
ALTER TABLE "groups" ADD COLUMN     "deleted_at" TIMESTAMPTZ(3);

-- A name is free again once its group is deleted.
DROP INDEX "groups_name_key";
CREATE UNIQUE INDEX "groups_name_key" ON "groups"("name") WHERE "deleted_at" IS NULL;
