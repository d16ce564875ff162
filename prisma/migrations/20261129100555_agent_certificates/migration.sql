-- AlterTable
ALTER TABLE "certificate_authorities" ADD COLUMN     "cross_certificate_pem" TEXT,
ADD COLUMN     "signed_by_id" UUID,
ADD COLUMN     "state" TEXT NOT NULL DEFAULT 'active',
ALTER COLUMN "sealed_private_key" DROP NOT NULL;

-- AlterTable
ALTER TABLE "groups" ALTER COLUMN "agent_methods" SET DEFAULT ARRAY['key', 'token', 'certificate']::TEXT[];

-- CreateTable
CREATE TABLE "agent_certificates" (
    "id" UUID NOT NULL,
    "agent_id" UUID NOT NULL,
    "authority_id" UUID NOT NULL,
    "serial_number" TEXT NOT NULL,
    "key_thumbprint" TEXT NOT NULL,
    "issued_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "agent_certificates_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "agent_certificates_agent_id_key_thumbprint_idx" ON "agent_certificates"("agent_id", "key_thumbprint");

-- CreateIndex
CREATE INDEX "agent_certificates_authority_id_expires_at_idx" ON "agent_certificates"("authority_id", "expires_at");

-- CreateIndex
CREATE INDEX "agent_certificates_expires_at_idx" ON "agent_certificates"("expires_at");

-- AddForeignKey
ALTER TABLE "agent_certificates" ADD CONSTRAINT "agent_certificates_agent_id_fkey" FOREIGN KEY ("agent_id") REFERENCES "agents"("id") ON DELETE CASCADE ON UPDATE CASCADE;
