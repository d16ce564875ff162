-- AlterTable
ALTER TABLE "agents" ADD COLUMN     "certificate_identity" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "agents_certificate_identity_key" ON "agents"("certificate_identity");
