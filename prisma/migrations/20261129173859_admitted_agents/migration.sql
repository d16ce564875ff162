-- AlterTable
ALTER TABLE "agents" ALTER COLUMN "enrollment_token_id" DROP NOT NULL;
