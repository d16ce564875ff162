import { jsonValue, type JsonValue } from '@sallyport/contract';
import { Keyring, sealForGroup, UnreadableValue } from '../keyrings/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { insertField, listFields, type FieldRow } from './plugin-fields.store.ts';

/** Where a field's value lives: the place that its ciphertext is bound to. */
function pluginField(fieldId: string) {
  return { table: 'plugin_fields', row: fieldId, field: 'sealed_value' };
}

/** Sealed before the value, so that a row cannot be given to another plugin or path. No path has NUL in it. */
function ownerOf(pluginId: string, path: string): Buffer {
  return Buffer.from(`${pluginId}${path}\0`, 'utf8');
}

/** Seals one field of a plugin into a row of its own. */
export async function sealField(
  tx: Db,
  platform: Platform,
  groupId: string,
  { pluginId, path, value }: { pluginId: string; path: string; value: JsonValue },
): Promise<void> {
  const id = newId();
  const plaintext = Buffer.concat([
    ownerOf(pluginId, path),
    Buffer.from(JSON.stringify(value), 'utf8'),
  ]);
  try {
    const sealed = await sealForGroup(tx, platform, { ...pluginField(id), groupId }, plaintext);
    await insertField(tx, { pluginId, groupId }, { id, path, ...sealed });
  } finally {
    plaintext.fill(0);
  }
}

/**
 * Opens the fields of a plugin, each as JSON text; the caller zeroes them.
 *
 * @throws AppError `envelope.unreadable`, also of a row that belongs to another plugin or path
 */
export function openFields(
  keyring: Keyring,
  { pluginId, groupId }: { pluginId: string; groupId: string },
  rows: readonly FieldRow[],
): Map<string, Buffer> {
  const opened = new Map<string, Buffer>();
  try {
    for (const row of rows) {
      const plaintext = keyring.open(pluginField(row.id), row);
      opened.set(row.path, plaintext);
      const owner = ownerOf(pluginId, row.path);
      if (!plaintext.subarray(0, owner.byteLength).equals(owner))
        throw new UnreadableValue({
          ...pluginField(row.id),
          group: groupId,
          keyVersion: row.keyVersion,
        });
      opened.set(row.path, plaintext.subarray(owner.byteLength));
    }
  } catch (error) {
    zero(opened);
    throw error;
  }
  return opened;
}

export function zero(opened: ReadonlyMap<string, Buffer>): void {
  for (const value of opened.values()) value.fill(0);
}

/** The values of a plugin's fields, read and opened. */
export async function readFields(
  db: Db,
  platform: Platform,
  groupId: string,
  pluginId: string,
): Promise<Map<string, JsonValue>> {
  const rows = await listFields(db, pluginId);
  if (rows.length === 0) return new Map();
  return Keyring.use(db, platform, groupId, async (keyring) => {
    const opened = openFields(keyring, { pluginId, groupId }, rows);
    try {
      return new Map(
        [...opened].map(([path, json]) => [
          path,
          jsonValue.parse(JSON.parse(json.toString('utf8'))),
        ]),
      );
    } finally {
      zero(opened);
    }
  });
}
