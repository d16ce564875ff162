import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { operator, page } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { selfSigned } from '@sallyport/tls/test/issuer';
import { createApp } from '../../src/http/create-app.ts';
import { PRISMA_DIRECTORY, readSchema } from '../../src/platform/prisma-folder.ts';
import { classifiedColumns } from '../../src/system/classified-columns.ts';
import { placeAll } from '../audit/chain.ts';
import { publishedOperations } from '../authorization/operations.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const CANARY = 'canary-5b1d-value';
/** Columns that no reply of the operator API holds, in whatever encoding. */
const FILTERED = /^(?:hashed|sealed)-/;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
/** A thing for every part of a path. */
let existing: Record<string, string>;
/** The first line of what was uploaded, in PEM. */
let privateKey = '';
const written: Reply[] = [];
/** Brings what is kept from callers. */
const write: OperatorClient['call'] = async (...request) => {
  const reply = await owner.call(...request);
  written.push(reply);
  return reply;
};
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() });
  await controlPlane.agentApp.listen({ host: '127.0.0.1', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  const agent = await agentIn(owner, 'plant-7', controlPlane);
  const group = '/groups/plant-7';
  await write('PUT', `${group}/secrets/s`, { value: CANARY });
  await write('PUT', `${group}/secrets/s`, { value: `${CANARY}-2` });
  const lease = { ttlSeconds: 60, maxTtlSeconds: 60, maxUses: null, windows: [] };
  await write('PUT', `${group}/secrets/lent`, { value: CANARY, lease });
  const leaseId = randomUUID();
  await agent.takeLease('lent', { id: leaseId });
  const { chain, key } = await selfSigned();
  await write('PUT', `${group}/certificates/c`, { chain, key });
  [, privateKey = ''] = key.split('\n');
  const schema = { type: 'object', properties: { token: { type: 'string' } } };
  const type = { name: 'gateway', schema, encryptedFields: ['/token'] };
  await write('POST', '/plugin-types', type);
  const config = { token: CANARY };
  await write('PUT', `${group}/plugins/p`, { type: 'gateway', config });
  await write('POST', '/me/totp', { password: OWNER_PASSWORD });
  await write('POST', '/groups', { name: 'once' }, { 'idempotency-key': CANARY });
  const roles = [{ role: 'viewer', group: 'plant-7' }];
  const made = await write('POST', '/api-keys', { name: 'ci', roles });
  const task = await write('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
  await write('POST', '/groups/plant-7/links', { name: 'l', address: 'agent.test:9444' });
  await agent.pull();
  await placeAll(controlPlane);
  existing = {
    group: 'plant-7',
    secret: 's',
    lease: leaseId,
    plugin: 'p',
    certificate: 'c',
    type: 'gateway',
    operator: 'owner',
    agent: agent.id,
    task: field(task.body, 'id'),
    key: field(made.body, 'id'),
    link: 'l',
  };
});
afterAll(() => controlPlane.end());

/** Everything that is kept from callers, as it could stand in a reply. */
async function filteredValues(): Promise<Map<string, string>> {
  const columns = classifiedColumns(await readSchema(PRISMA_DIRECTORY)).filter(
    ({ dataClass = '' }) => FILTERED.test(dataClass),
  );
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const kept = new Map([
      [CANARY, 'a value'],
      [OWNER_PASSWORD, 'a password'],
      [privateKey, 'a private key'],
    ]);
    for (const { table, column } of columns) {
      const sql = `SELECT ${column} AS value FROM ${table} WHERE ${column} IS NOT NULL`;
      const { rows } = await client.query<{ value: unknown }>(sql);
      for (const { value } of rows)
        for (const text of writtenAs(value)) kept.set(text, `${table}.${column}`);
    }
    return kept;
  });
}

function writtenAs(value: unknown): string[] {
  if (!Buffer.isBuffer(value)) return [String(value)];
  const encodings = ['base64', 'base64url', 'hex'] as const;
  // A beginning: what follows may be padded or cut otherwise.
  return encodings.map((encoding) => value.subarray(0, 48).toString(encoding));
}

function found(reply: string, kept: Map<string, string>): string[] {
  return [...kept].flatMap(([text, column]) => (reply.includes(text) ? [column] : []));
}

test('[AT-20] no reply that shows something holds a field that is kept from callers', async () => {
  const kept = await filteredValues();
  expect(kept.size).toBeGreaterThan(20);
  const shown = (await publishedOperations(controlPlane)).filter(({ method }) => method === 'GET');
  expect(shown.length).toBeGreaterThan(20);
  for (const { method, path } of shown) {
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, part: string) => existing[part] ?? part);
    const reply = await owner.call(method, filled);
    expect({ path, status: reply.status, found: found(reply.text, kept) }).toEqual({
      path,
      status: 200,
      found: [],
    });
  }
});

test('[AT-20] no reply to who brought such a field holds it', async () => {
  const kept = await filteredValues();
  expect(written.length).toBeGreaterThan(10);
  for (const { status, text } of written)
    expect({ done: status < 300, found: found(text, kept) }).toEqual({ done: true, found: [] });
});

test('[AT-20] the search finds a field that is planted in a reply, as text and as bytes', async () => {
  const kept = await filteredValues();
  const columns = new Set(kept.values());
  expect(columns).toContain('operators.password_hash');
  expect(columns).toContain('secret_versions.sealed_value');
  for (const [text, column] of kept)
    expect(found(JSON.stringify({ planted: text }), kept)).toContain(column);
});

test('[AT-20] a field that a reply’s schema does not have is not sent, whatever its handler returns', async () => {
  const { chain: cert, key } = await selfSigned();
  const app = createApp(controlPlane.platform, {
    name: 'planted',
    challenge: 'Bearer',
    certificate: { cert, key },
    tls: defaultTlsPolicy,
    maxConnections: 10,
    trustProxy: [],
    requestTimeoutMs: 1_000,
    silenceTimeoutMs: 1_000,
    noSuchRoute: 'There is no such route.',
  });
  const row = {
    id: '01890a5d-ac96-774b-bcce-b302099a8057',
    name: 'owner',
    roles: [],
    secondFactor: false,
    lockedUntil: null,
    createdAt: '2026-01-01T00:00:00.000Z',
  };
  const surplus = { ...row, passwordHash: CANARY };
  const one = { schema: { response: { 200: operator } } };
  const many = { schema: { response: { 200: page(operator) } } };
  app.get('/as-declared', one, async () => row);
  app.get('/surplus', one, async () => surplus);
  app.get('/surplus-in-a-list', many, async () => ({ items: [row, surplus] }));
  expect((await app.inject('/as-declared')).json()).toEqual(row);
  for (const path of ['/surplus', '/surplus-in-a-list']) {
    const reply = await app.inject(path);
    expect(reply.statusCode).toBe(500);
    expect(reply.payload).not.toContain(CANARY);
  }
  expect(controlPlane.logged()).not.toContain(CANARY);
  await app.close();
});
