import type { Db } from '../platform/db.ts';
import { Prisma } from '../platform/prisma-client/client.ts';

/**
 * A column that holds values sealed by a group's keyring. Its table has `group_id` and `key_version`, and an
 * index that begins with both; `row` is SQL for what the ciphertext is bound to as its row.
 */
export type SealedPlace = { table: string; column: string; row: string };

/** Everything that has to be sealed anew before a version can be retired. */
export const sealedPlaces: readonly SealedPlace[] = [
  { table: 'secret_versions', column: 'sealed_value', row: 'id::text' },
  { table: 'plugin_fields', column: 'sealed_value', row: 'id::text' },
  { table: 'certificate_bodies', column: 'sealed_body', row: 'id::text' },
  { table: 'delivery_keys', column: 'sealed_key', row: `group_id || '/' || epoch` },
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

export type SealedRow = { row: string; sealed: Uint8Array };

/** Some values that a version has sealed, but for these rows. */
export async function readSealed(
  db: Db,
  { table, column, row }: SealedPlace,
  by: { groupId: string; version: number; except: string[] },
  limit: number,
): Promise<SealedRow[]> {
  return db.$queryRawUnsafe<SealedRow[]>(
    `SELECT ${row} AS row, ${column} AS sealed FROM ${table}
      WHERE group_id = $1::uuid AND key_version = $2::int AND ${row} <> ALL($4::text[]) LIMIT $3::int`,
    by.groupId,
    by.version,
    limit,
    by.except,
  );
}

/** Puts values that were sealed anew in the place of those that `from` had sealed; what has changed since is left alone. */
export async function replaceSealed(
  tx: Db,
  { table, column, row }: SealedPlace,
  by: { groupId: string; from: number; to: number },
  rows: SealedRow[],
): Promise<number> {
  return tx.$executeRaw(
    Prisma.sql`UPDATE ${Prisma.raw(table)} SET ${Prisma.raw(column)} = decode(anew.sealed, 'base64'), key_version = ${by.to}
      FROM unnest(${rows.map((one) => one.row)}::text[], ${rows.map((one) => Buffer.from(one.sealed).toString('base64'))}::text[])
        AS anew(row, sealed)
      WHERE group_id = ${by.groupId}::uuid AND key_version = ${by.from} AND ${Prisma.raw(row)} = anew.row`,
  );
}
