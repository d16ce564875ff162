import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { open } from '@sallyport/crypto/envelope';
import { asAdmin } from '@sallyport/testkit/database';
import { z } from 'zod';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { unreadableIn } from '../unreadable-events.ts';

const GROUPS = ['plant-7', 'plant-8'] as const;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of GROUPS) {
    await owner.call('POST', '/groups', { name });
    await owner.call('PUT', `/groups/${name}/secrets/s`, { value: `of ${name}` });
  }
});
afterAll(() => controlPlane.end());

const sql = (statement: string) =>
  asAdmin(controlPlane.databaseUrl, async (client) => (await client.query(statement)).rows);

const keyRow = z.object({ group: z.string(), version: z.int(), wrapped: z.instanceof(Buffer) });
const valueRow = z.object({ id: z.string(), sealed: z.instanceof(Buffer) });

async function keyRowOf(name: string): Promise<z.infer<typeof keyRow>> {
  const [found] = await sql(`SELECT g.id AS "group", k.version, k.wrapped_key AS wrapped
    FROM keyring_versions k JOIN groups g ON g.id = k.group_id WHERE g.name = '${name}'`);
  return keyRow.parse(found);
}

/** A group's row of the keyring, and its key as only the holder of the root key gets it. */
async function keyOf(name: string): Promise<{ row: z.infer<typeof keyRow>; key: Buffer }> {
  const row = await keyRowOf(name);
  return { row, key: open(controlPlane.rootKey, row.wrapped, placeOf(row)) };
}

function placeOf({ group, version }: { group: string; version: number }) {
  const where = { table: 'keyring_versions', row: group, field: 'wrapped_key' };
  return { ...where, group, keyVersion: version };
}

async function openValue(name: string, key: Uint8Array): Promise<string> {
  const [found] = await sql(`SELECT v.id, v.sealed_value AS sealed FROM secret_versions v
    JOIN secrets s ON s.id = v.secret_id JOIN groups g ON g.id = s.group_id WHERE g.name = '${name}'`);
  const { id, sealed } = valueRow.parse(found);
  const { group } = (await keyOf(name)).row;
  const place = { table: 'secret_versions', row: id, field: 'sealed_value', group, keyVersion: 1 };
  return open(key, sealed, place).toString();
}

test('[A7-09] each group’s values open with its own key and not with another group’s, even at their own place', async () => {
  const { key } = await keyOf('plant-7');
  const other = await keyOf('plant-8');
  expect(await openValue('plant-7', key)).toBe('of plant-7');
  expect(await openValue('plant-8', other.key)).toBe('of plant-8');
  await expect(openValue('plant-8', key)).rejects.toMatchObject({ code: 'envelope.unreadable' });
  await expect(openValue('plant-7', other.key)).rejects.toMatchObject({
    code: 'envelope.unreadable',
  });
});

test('[A7-10] no key of a keyring is in any row as it is, and another root key does not open it', async () => {
  const tables = await sql(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`);
  const rows = await Promise.all(
    tables.map(async ({ name }) => JSON.stringify(await sql(`SELECT t::text FROM ${name} t`))),
  );
  const dump = rows.join('\n');
  for (const name of GROUPS) {
    const { row, key } = await keyOf(name);
    expect(dump).toContain(row.wrapped.toString('hex'));
    for (const encoding of ['hex', 'base64', 'base64url'] as const)
      expect(dump).not.toContain(key.toString(encoding));
    expect(() => open(Buffer.alloc(32, 7), row.wrapped, placeOf(row))).toThrow(
      expect.objectContaining({ code: 'envelope.unreadable' }),
    );
  }
});

test('[F-16] [A7-09] [A7-10] a keyring that was moved to another group is refused, not used, and that is audited', async () => {
  await sql(`UPDATE keyring_versions SET wrapped_key = (
    SELECT wrapped_key FROM keyring_versions k JOIN groups g ON g.id = k.group_id WHERE g.name = 'plant-7')
    WHERE group_id = (SELECT id FROM groups WHERE name = 'plant-8')`);
  const unreadable = { status: 500, body: { code: 'envelope.unreadable' } };
  expect(await owner.call('POST', '/groups/plant-8/secrets/s/reveal', {})).toMatchObject(
    unreadable,
  );
  expect(await owner.call('PUT', '/groups/plant-8/secrets/s', { value: 'new' })).toMatchObject(
    unreadable,
  );
  const { group } = await keyRowOf('plant-8');
  expect(await unreadableIn(controlPlane, 'plant-8')).toEqual([
    { subject: `keyring_versions.wrapped_key:${group}`, outcome: 'refused', actor: 'operator' },
  ]);
});
