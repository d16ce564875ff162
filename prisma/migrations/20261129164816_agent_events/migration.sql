-- AlterTable
ALTER TABLE "agents" ADD COLUMN     "last_event_batch" UUID;
