import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { PRISMA_DIRECTORY, readSchema } from '../../src/platform/prisma-folder.ts';
import { classifiedColumns, type ClassifiedColumn } from '../../src/system/classified-columns.ts';
import { everyChange } from '../changes.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

const CANARY = 'canary-4e6f-value';
const PHC = {
  'hashed-token': /^\$pbkdf2-sha512\$i=1000\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{86}$/,
  'hashed-password': /^\$argon2id\$v=19\$m=1024,(?:t=2,p=1|p=1,t=2)\$/,
};
/** Format 1, a nonce of 12 bytes and a tag of 16 stand before the ciphertext. */
const ENVELOPE_BYTES = 29;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let columns: ClassifiedColumn[];
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  columns = classifiedColumns(await readSchema(PRISMA_DIRECTORY));
  for (const { act } of await everyChange(controlPlane, owner, 'plant-7')) await act();
  await owner.call('PUT', '/groups/plant-7/secrets/s', { value: CANARY });
  const { chain, key } = await selfSigned();
  await owner.call('PUT', '/groups/plant-7/certificates/c', { chain, key });
  await owner.call('POST', '/plugin-types', {
    name: 'gateway',
    schema: { type: 'object', properties: { token: { type: 'string' } } },
    encryptedFields: ['/token'],
  });
  const config = { token: CANARY };
  await owner.call('PUT', '/groups/plant-7/plugins/p', { type: 'gateway', config });
  await owner.call('POST', '/api-keys', {
    name: 'ci',
    roles: [{ role: 'viewer', group: 'plant-7' }],
  });
  await owner.call('POST', '/me/totp', { password: OWNER_PASSWORD });
  await owner.call('POST', '/groups', { name: 'once' }, { 'idempotency-key': CANARY });
  // Large enough to be kept as a bundle.
  for (const name of ['one', 'two'])
    await owner.call('PUT', `/groups/plant-7/secrets/${name}`, { value: 'x'.repeat(60_000) });
  await (await agentIn(owner, 'plant-7', controlPlane)).pull();
});
afterAll(() => controlPlane.end());

async function sql<Row extends Record<string, unknown>>(statement: string): Promise<Row[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Row>(statement)).rows;
  });
}

async function valuesOf({ table, column }: ClassifiedColumn): Promise<unknown[]> {
  const rows = await sql<{ value: unknown }>(
    `SELECT ${column} AS value FROM ${table} WHERE ${column} IS NOT NULL`,
  );
  return rows.map(({ value }) => value);
}

test('[A7-01] every column of the migrated database is classified in the schema, and no other', async () => {
  const found = await sql<{ name: string }>(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'`,
  );
  const classified = columns.filter(({ dataClass }) => dataClass !== undefined);
  expect(classified.map(({ table, column }) => `${table}.${column}`).toSorted()).toEqual(
    found.map(({ name }) => name).toSorted(),
  );
});

test.each([
  ['a column that no line names', '', /undefined/],
  ['a class that does not exist', '/// @secret id\n', /names the unknown class secret/],
  ['a column that is not there', '/// @clear id, other\n', /has no column for other/],
  ['a column twice', '/// @clear id\n/// @personal id\n', /classifies id twice/],
])('[A7-01] refuses %s', (_, lines, refusal) => {
  const schema = `${lines}model Thing {\n  id String @id\n\n  @@map("things")\n}\n`;
  const read = () => {
    const [column] = classifiedColumns(schema);
    if (column?.dataClass === undefined) throw new Error('undefined');
  };
  expect(read).toThrow(refusal);
});

test('[A7-18] [A7-19] what is irreversible is a salted hash of full strength in every row', async () => {
  for (const column of columns)
    if (column.dataClass === 'hashed-token' || column.dataClass === 'hashed-password') {
      const values = await valuesOf(column);
      expect({ column, rows: values.length > 0 }).toEqual({ column, rows: true });
      for (const value of values) expect(value).toMatch(PHC[column.dataClass]);
      expect(new Set(values).size).toBe(values.length);
    }
});

/** The links of the audit’s chain: SHA-256, of what is in clear beside them. */
const HASHES = ['audit_checkpoints.hash', 'audit_links.hash'];

test('[A7-20] [AT-18] what is reversible is an AES-256-GCM envelope or a JWE in every row, and no bytes are anything else', async () => {
  const bytes = await sql<{ name: string }>(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND data_type = 'bytea'`,
  );
  const envelopes = columns.filter(
    ({ dataClass }) => dataClass === 'sealed-root' || dataClass === 'sealed-keyring',
  );
  const sealed = envelopes.map(({ table, column }) => `${table}.${column}`);
  expect([...sealed, ...HASHES].toSorted()).toEqual(bytes.map(({ name }) => name).toSorted());
  for (const column of envelopes) {
    const values = await valuesOf(column);
    expect({ column, rows: values.length > 0 }).toEqual({ column, rows: true });
    for (const value of values) {
      if (!Buffer.isBuffer(value)) throw new Error('bytes were expected');
      expect(value[0]).toBe(1);
      expect(value.byteLength).toBeGreaterThan(ENVELOPE_BYTES);
      expect(value.includes(CANARY)).toBe(false);
    }
  }
  for (const column of columns.filter(({ dataClass }) => dataClass === 'sealed-delivery'))
    for (const value of await valuesOf(column))
      expect(String(value)).toMatch(/^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/);
});

test('[A7-01] whoever may is told of every sensitive column, its protection and its key', async () => {
  const reply = await owner.call('GET', '/system/sensitive-data');
  expect(reply).toMatchObject({
    status: 200,
    body: {
      columns: expect.arrayContaining([
        {
          table: 'secret_versions',
          column: 'sealed_value',
          holds: 'the value of a secret',
          class: 'sealed-keyring',
          protection: 'AES-256-GCM, bound to its table, row, field, group and key version',
          key: 'a version of the group’s keyring',
        },
      ]),
    },
  });
  for (const { table, column, dataClass } of columns)
    if (dataClass !== 'clear' && dataClass !== 'public')
      expect(reply.text).toContain(`"table":"${table}","column":"${column}"`);
});
