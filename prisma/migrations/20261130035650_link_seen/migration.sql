-- AlterTable
ALTER TABLE "links" ADD COLUMN     "seen" JSONB;
