-- CreateTable
CREATE TABLE "plugin_types" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "plugin_types_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "plugin_type_versions" (
    "id" UUID NOT NULL,
    "type_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "description" TEXT NOT NULL,
    "schema" JSONB NOT NULL,
    "encrypted_fields" TEXT[],
    "public_fields" TEXT[],
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "plugin_type_versions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "plugin_fields" (
    "id" UUID NOT NULL,
    "plugin_id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "path" TEXT NOT NULL,
    "sealed_value" BYTEA NOT NULL,
    "key_version" INTEGER NOT NULL,

    CONSTRAINT "plugin_fields_pkey" PRIMARY KEY ("id")
);

-- The type of plugins that have none; those there are become plugins of it.
INSERT INTO "plugin_types" ("id", "name", "version", "created_at", "updated_at")
VALUES ('01890a5d-ac96-7000-8000-000000000001', 'generic', 1, '2024-01-01T00:00:00Z', '2024-01-01T00:00:00Z');

INSERT INTO "plugin_type_versions" ("id", "type_id", "version", "description", "schema", "encrypted_fields", "public_fields", "created_by", "created_at")
VALUES ('01890a5d-ac96-7000-8000-000000000002', '01890a5d-ac96-7000-8000-000000000001', 1, 'Any JSON object without secrets', '{"type": "object"}', '{}', '{}', 'sallyport', '2024-01-01T00:00:00Z');

-- AlterTable
ALTER TABLE "plugins" ADD COLUMN     "offline" TEXT,
ADD COLUMN     "type_version_id" UUID;

UPDATE "plugins" SET "type_version_id" = '01890a5d-ac96-7000-8000-000000000002';

ALTER TABLE "plugins" ALTER COLUMN "type_version_id" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "plugin_types_name_key" ON "plugin_types"("name");

-- CreateIndex
CREATE UNIQUE INDEX "plugin_type_versions_type_id_version_key" ON "plugin_type_versions"("type_id", "version");

-- CreateIndex
CREATE UNIQUE INDEX "plugin_fields_plugin_id_path_key" ON "plugin_fields"("plugin_id", "path");

-- CreateIndex
CREATE INDEX "plugin_fields_group_id_key_version_id_idx" ON "plugin_fields"("group_id", "key_version", "id");

-- CreateIndex
CREATE INDEX "plugins_type_version_id_idx" ON "plugins"("type_version_id");

-- AddForeignKey
ALTER TABLE "plugin_type_versions" ADD CONSTRAINT "plugin_type_versions_type_id_fkey" FOREIGN KEY ("type_id") REFERENCES "plugin_types"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plugins" ADD CONSTRAINT "plugins_type_version_id_fkey" FOREIGN KEY ("type_version_id") REFERENCES "plugin_type_versions"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plugin_fields" ADD CONSTRAINT "plugin_fields_plugin_id_fkey" FOREIGN KEY ("plugin_id") REFERENCES "plugins"("id") ON DELETE CASCADE ON UPDATE CASCADE;
