-- AlterTable
ALTER TABLE "groups" ADD COLUMN     "clones" TEXT NOT NULL DEFAULT 'report';

-- AlterTable
ALTER TABLE "agents" ADD COLUMN     "cloned_at" TIMESTAMPTZ(3),
ADD COLUMN     "generation" TEXT;
