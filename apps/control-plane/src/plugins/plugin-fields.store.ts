import type { SealedField } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';

export type FieldRow = { id: string; path: string } & { sealed: Uint8Array; keyVersion: number };

export async function listFields(db: Db, pluginId: string): Promise<FieldRow[]> {
  const rows = await db.pluginField.findMany({ where: { pluginId }, orderBy: { path: 'asc' } });
  return rows.map(({ id, path, sealedValue, keyVersion }) => ({
    id,
    path,
    sealed: sealedValue,
    keyVersion,
  }));
}

export async function insertField(
  tx: Db,
  { pluginId, groupId }: { pluginId: string; groupId: string },
  { id, path, sealed, keyVersion }: { id: string; path: string } & SealedField,
): Promise<void> {
  await tx.pluginField.create({
    data: { id, pluginId, groupId, path, sealedValue: sealed, keyVersion },
  });
}

export async function deleteFields(tx: Db, pluginId: string, paths: string[]): Promise<void> {
  if (paths.length > 0)
    await tx.pluginField.deleteMany({ where: { pluginId, path: { in: paths } } });
}
