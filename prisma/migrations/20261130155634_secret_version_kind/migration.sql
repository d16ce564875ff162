-- AlterTable
ALTER TABLE "secret_versions" ADD COLUMN     "kind" TEXT;

-- What a version was that has been replaced is not known any more.
UPDATE "secret_versions" v SET "kind" = s."kind"
  FROM "secrets" s WHERE s."id" = v."secret_id" AND s."version" = v."version";
