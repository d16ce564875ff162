-- AlterTable
ALTER TABLE "leases" ADD COLUMN     "ended_how" TEXT;
