-- CreateTable
CREATE TABLE "certificates" (
    "id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "offline" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "serial_number" TEXT NOT NULL,
    "dns_names" TEXT[],
    "ip_addresses" TEXT[],
    "uris" TEXT[],
    "not_before" TIMESTAMPTZ(3) NOT NULL,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "key_algorithm" TEXT NOT NULL,
    "warned_days" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "certificates_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "certificate_bodies" (
    "id" UUID NOT NULL,
    "certificate_id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "sealed_body" BYTEA NOT NULL,
    "key_version" INTEGER NOT NULL,

    CONSTRAINT "certificate_bodies_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "certificates_not_after_idx" ON "certificates"("not_after");

-- CreateIndex
CREATE UNIQUE INDEX "certificates_group_id_name_key" ON "certificates"("group_id", "name");

-- CreateIndex
CREATE UNIQUE INDEX "certificate_bodies_certificate_id_key" ON "certificate_bodies"("certificate_id");

-- CreateIndex
CREATE INDEX "certificate_bodies_group_id_key_version_idx" ON "certificate_bodies"("group_id", "key_version");

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "groups"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "certificate_bodies" ADD CONSTRAINT "certificate_bodies_certificate_id_fkey" FOREIGN KEY ("certificate_id") REFERENCES "certificates"("id") ON DELETE CASCADE ON UPDATE CASCADE;
