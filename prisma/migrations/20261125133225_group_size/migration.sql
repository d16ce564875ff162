-- AlterTable
ALTER TABLE "groups" ADD COLUMN     "bytes_at_most" BIGINT NOT NULL DEFAULT 0;
-- Of the groups that are there nothing is known: each is measured at its next write.
UPDATE "groups" SET "bytes_at_most" = 9007199254740991;
