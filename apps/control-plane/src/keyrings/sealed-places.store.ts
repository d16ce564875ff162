import type { Db } from '../platform/db.ts';

/**
 * A column that holds values sealed by a group's keyring. Its table has `group_id` and `key_version`. `key` is
 * a column that tells the rows of a group apart, `id` unless something else is said, and there is an index of
 * group, key version and key. `row` is SQL for what the ciphertext is bound to as its row, the key if not said.
 */
export type SealedPlace = {
  table: string;
  column: string;
  key?: Key;
  row?: string;
};
type Key = { column: string; type: 'uuid' | 'int' };

const ID: Key = { column: 'id', type: 'uuid' };

/** Everything that has to be sealed anew before a version can be retired. */
export const sealedPlaces: readonly SealedPlace[] = [
  { table: 'secret_versions', column: 'sealed_value' },
  { table: 'plugin_fields', column: 'sealed_value' },
  { table: 'certificate_bodies', column: 'sealed_body' },
  {
    table: 'delivery_keys',
    column: 'sealed_key',
    key: { column: 'epoch', type: 'int' },
    row: `group_id || '/' || epoch`,
  },
];

/** How many values of a group are sealed by each version. */
export async function countUses(db: Db, groupId: string): Promise<Map<number, number>> {
  const parts = sealedPlaces.map(
    ({ table }) => `SELECT key_version FROM ${table} WHERE group_id = $1::uuid`,
  );
  const rows = await db.$queryRawUnsafe<{ version: number; uses: number }[]>(
    `SELECT key_version AS version, count(*)::int AS uses FROM (${parts.join(' UNION ALL ')}) AS used GROUP BY 1`,
    groupId,
  );
  return new Map(rows.map(({ version, uses }) => [version, uses]));
}

/** Whether a version has sealed anything that is still there. */
export async function isUsed(db: Db, groupId: string, version: number): Promise<boolean> {
  const parts = sealedPlaces.map(
    ({ table }) =>
      `EXISTS (SELECT 1 FROM ${table} WHERE group_id = $1::uuid AND key_version = $2::int)`,
  );
  const [row] = await db.$queryRawUnsafe<{ used: boolean }[]>(
    `SELECT ${parts.join(' OR ')} AS used`,
    groupId,
    version,
  );
  return row?.used ?? true;
}

/** A value; the key of its row, in text; and what its ciphertext is bound to as its row. */
export type SealedRow = { key: string; row: string; sealed: Uint8Array };

/**
 * Some values that a version has sealed, in the order of their keys and after one of them, so that no look
 * goes again over what was there before it: at most `rows` of them, or as many as begin within `bytes`.
 */
export async function readSealed(
  db: Db,
  { table, column, key = ID, row = `${key.column}::text` }: SealedPlace,
  by: { groupId: string; version: number; after: string | undefined },
  atMost: { rows: number; bytes: number },
): Promise<SealedRow[]> {
  const after = by.after === undefined ? '' : `AND ${key.column} > $5::text::${key.type}`;
  return db.$queryRawUnsafe<SealedRow[]>(
    `SELECT key::text, row, sealed FROM (
        SELECT ${key.column} AS key, ${row} AS row, ${column} AS sealed,
          sum(octet_length(${column})) OVER (ORDER BY ${key.column}) - octet_length(${column}) AS before
        FROM ${table} WHERE group_id = $1::uuid AND key_version = $2::int ${after}
        ORDER BY ${key.column} LIMIT $3::int) AS first
      WHERE before < $4::int ORDER BY first.key`,
    ...[by.groupId, by.version, atMost.rows, atMost.bytes],
    ...(by.after === undefined ? [] : [by.after]),
  );
}

/** Puts values that were sealed anew in the place of those that `from` had sealed; what has changed since is left alone. */
export async function replaceSealed(
  tx: Db,
  { table, column, key = ID }: SealedPlace,
  by: { groupId: string; from: number; to: number },
  rows: SealedRow[],
): Promise<number> {
  const keys = rows.map((one) => one.key);
  const sealed = rows.map((one) => Buffer.from(one.sealed).toString('base64'));
  // The keys are named twice: with the join alone, Postgres reads all of the group for every batch.
  return tx.$executeRawUnsafe(
    `UPDATE ${table} SET ${column} = decode(anew.sealed, 'base64'), key_version = $2::int
      FROM unnest($4::text[]::${key.type}[], $5::text[]) AS anew(key, sealed)
      WHERE group_id = $1::uuid AND key_version = $3::int
        AND ${key.column} = ANY($4::text[]::${key.type}[]) AND ${key.column} = anew.key`,
    ...[by.groupId, by.to, by.from, keys, sealed],
  );
}
