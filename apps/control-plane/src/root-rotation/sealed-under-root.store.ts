import type { Place } from '@sallyport/crypto/envelope';
import { auditKeyPlace } from '../audit/index.ts';
import { exchangePlace } from '../idempotency/index.ts';
import { keyPlace } from '../keyrings/index.ts';
import { totpPlace } from '../operators/index.ts';
import type { Db } from '../platform/db.ts';
import { authorityKeyPlace, signingKeyPlace } from '../trust/index.ts';

/**
 * A column of values that the root key seals, null where one was destroyed. `id`, and `version` where a table has
 * one, tell its rows apart, and there is an index of them.
 */
export type SealedUnderRoot = {
  table: string;
  column: string;
  id: { column: string; type: 'uuid' | 'text' };
  version?: string;
  place: (id: string, version: number) => Place;
};

const ID = { column: 'id', type: 'uuid' } as const;
/** Of every row in a table without versions. */
const NO_VERSION = '1';

/**
 * Everything that the root key seals: what a rotation of it has to seal anew. Kept replies come last, for whoever
 * acts with a key of a group, or ends a second factor, takes theirs after it.
 */
export const sealedUnderRoot: readonly SealedUnderRoot[] = [
  {
    table: 'signing_keys',
    column: 'sealed_private_key',
    id: { column: 'id', type: 'text' },
    place: signingKeyPlace,
  },
  {
    table: 'certificate_authorities',
    column: 'sealed_private_key',
    id: ID,
    place: authorityKeyPlace,
  },
  {
    table: 'operator_totps',
    column: 'sealed_secret',
    id: { column: 'operator_id', type: 'uuid' },
    place: totpPlace,
  },
  { table: 'audit_signing_keys', column: 'sealed_private_key', id: ID, place: auditKeyPlace },
  {
    table: 'keyring_versions',
    column: 'wrapped_key',
    id: { column: 'group_id', type: 'uuid' },
    version: 'version',
    place: keyPlace,
  },
  { table: 'idempotency_keys', column: 'sealed_exchange', id: ID, place: exchangePlace },
];

export type RootSealedRow = { id: string; version: number; sealed: Uint8Array };

/** The next `limit` values after a row, in the order of the index. */
export async function listSealedUnderRoot(
  tx: Db,
  { table, column, id, version }: SealedUnderRoot,
  after: RootSealedRow | undefined,
  limit: number,
): Promise<RootSealedRow[]> {
  // Of the table: as text they would be sorted at every look.
  const order = `${table}.${id.column}${version === undefined ? '' : `, ${table}.${version}`}`;
  const row = `(${id.column}, ${version ?? NO_VERSION})`;
  const further = after === undefined ? '' : `AND ${row} > ($2::text::${id.type}, $3::int)`;
  return tx.$queryRawUnsafe<RootSealedRow[]>(
    `SELECT ${id.column}::text AS id, ${version ?? NO_VERSION} AS version, ${column} AS sealed
      FROM ${table} WHERE ${column} IS NOT NULL ${further} ORDER BY ${order} LIMIT $1::int`,
    ...[limit, ...(after === undefined ? [] : [after.id, after.version])],
  );
}

/** Puts values that were sealed anew in the place of those before them; what was destroyed or forgotten meanwhile stays so. */
export async function replaceSealedUnderRoot(
  tx: Db,
  { table, column, id, version }: SealedUnderRoot,
  rows: readonly RootSealedRow[],
): Promise<void> {
  await tx.$executeRawUnsafe(
    `UPDATE ${table} AS old SET ${column} = decode(anew.sealed, 'base64')
      FROM unnest($1::text[]::${id.type}[], $2::int[], $3::text[]) AS anew(id, version, sealed)
      WHERE old.${id.column} = anew.id AND old.${column} IS NOT NULL
        AND ${version === undefined ? NO_VERSION : `old.${version}`} = anew.version`,
    rows.map((row) => row.id),
    rows.map((row) => row.version),
    rows.map(({ sealed }) => Buffer.from(sealed).toString('base64')),
  );
}
