import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open, seal } from '@sallyport/crypto/envelope';
import { parseRootKey } from '@sallyport/crypto/root-key';
import type { Client } from 'pg';
import { z } from 'zod';

const VALUE_BYTES = 64;
const VERSIONS_PER_SECRET = 100;
const BATCH = 5_000;
const keyRow = z.object({ group: z.uuid(), version: z.int(), wrapped: z.instanceof(Uint8Array) });

/**
 * Puts `count` versions of secrets into a group, as if an operator had written them: sealed by the group's
 * key, each for its own row, and counted.
 */
export async function fillGroup(
  database: Client,
  dataDir: string,
  groupName: string,
  count: number,
): Promise<void> {
  const { group, version, key } = await openGroupKey(database, dataDir, groupName);
  for (let first = 0; first < count; first += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - first) }, (_, index) => {
      const row = randomUUID();
      const place = {
        table: 'secret_versions',
        row,
        field: 'sealed_value',
        group,
        keyVersion: version,
      };
      return { row, of: first + index, sealed: seal(key, randomBytes(VALUE_BYTES), place) };
    });
    await insert(database, group, version, rows);
  }
  key.fill(0);
  await database.query(
    'UPDATE keyring_versions SET encryptions = encryptions + $2 WHERE group_id = $1 AND version = $3',
    [group, count, version],
  );
  await database.query('VACUUM ANALYZE secret_versions');
}

/** How many values of a group a key version still seals. */
export async function countSealedBy(
  database: Client,
  groupName: string,
  version: number,
): Promise<number> {
  const { rows } = await database.query(
    `SELECT count(*)::int AS count FROM secret_versions v JOIN groups g ON g.id = v.group_id
      WHERE g.name = $1 AND v.key_version = $2`,
    [groupName, version],
  );
  return z.object({ count: z.int() }).parse(rows[0]).count;
}

async function openGroupKey(database: Client, dataDir: string, groupName: string) {
  const { rows } = await database.query(
    `SELECT g.id AS group, k.version, k.wrapped_key AS wrapped
      FROM groups g JOIN keyring_versions k ON k.group_id = g.id
      WHERE g.name = $1 ORDER BY k.version DESC LIMIT 1`,
    [groupName],
  );
  const { group, version, wrapped } = keyRow.parse(rows[0]);
  const rootKey = parseRootKey(await readFile(join(dataDir, 'root-key'), 'utf8'));
  const place = { table: 'keyring_versions', row: group, field: 'wrapped_key', group };
  return { group, version, key: open(rootKey, wrapped, { ...place, keyVersion: version }) };
}

async function insert(
  database: Client,
  group: string,
  keyVersion: number,
  rows: { row: string; of: number; sealed: Uint8Array }[],
): Promise<void> {
  const secrets = new Map<string, string>();
  for (const { of } of rows) {
    const name = `filled-${Math.floor(of / VERSIONS_PER_SECRET)}`;
    if (!secrets.has(name)) secrets.set(name, randomUUID());
  }
  await database.query(
    `INSERT INTO secrets (id, group_id, name, kind, delivery, offline, version, created_at, updated_at)
      SELECT id, $1, name, 'stored', 'bundle', 'allow', $4, now(), now()
      FROM unnest($2::uuid[], $3::text[]) AS new(id, name)`,
    [group, [...secrets.values()], [...secrets.keys()], VERSIONS_PER_SECRET],
  );
  await database.query(
    `INSERT INTO secret_versions
        (id, secret_id, group_id, version, sealed_value, key_version, created_by, created_at)
      SELECT new.id, s.id, $1, new.version, new.sealed, $2, 'bench', now()
      FROM unnest($3::uuid[], $4::text[], $5::int[], $6::bytea[]) AS new(id, name, version, sealed)
      JOIN secrets s ON s.group_id = $1 AND s.name = new.name`,
    [
      group,
      keyVersion,
      rows.map(({ row }) => row),
      rows.map(({ of }) => `filled-${Math.floor(of / VERSIONS_PER_SECRET)}`),
      rows.map(({ of }) => (of % VERSIONS_PER_SECRET) + 1),
      rows.map(({ sealed }) => Buffer.from(sealed)),
    ],
  );
}
