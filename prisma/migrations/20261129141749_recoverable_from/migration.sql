-- AlterTable
ALTER TABLE "agents" ADD COLUMN     "recoverable_from" TIMESTAMPTZ(3);
