import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { certificateAuthorityList, roles, type HeldRole, type Role } from '@sallyport/contract';
import { asAdmin } from '@sallyport/testkit/database';
import { z } from 'zod';
import {
  allows,
  isOpen,
  isPermission,
  permissions,
  type Permission,
} from '../../src/authorization/policy.ts';
import { placeAll } from '../audit/chain.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';
import { bodies, publishedOperations, type ApiOperation } from './operations.ts';

/** What may be called by whoever has shown no credential. This list may only shrink. */
const PUBLIC = ['POST /sessions'];

/** A thing of one group, or the group itself. */
const IN_A_GROUP = /\{(group|agent|key|binding)\}/;
/** What is about no one group, and asks for the right in any: it shows what there is there. This list may only shrink. */
const IN_ANY_GROUP = [
  'GET /agents',
  'GET /api-keys',
  'GET /audit',
  'GET /audit/verifier-key',
  'GET /groups',
  'GET /plugin-types',
  'GET /plugin-types/{type}',
  'GET /plugin-types/{type}/versions',
  'GET /role-bindings',
];

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let operations: ApiOperation[];
/** A thing of plant-7 for every part of a path. */
let existing: Record<string, string>;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  // What tells where agents go has to listen there.
  await controlPlane.agentApp.listen({ host: '127.0.0.1', port: 0 });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await placeAll(controlPlane);
  operations = await publishedOperations(controlPlane);
  const agent = await agentIn(owner, 'plant-7', controlPlane);
  const banned = await agentIn(owner, 'plant-7', controlPlane);
  await owner.call('POST', '/groups', { name: 'plant-8' });
  await owner.call('PUT', '/groups/plant-7/secrets/s', { value: 'value' });
  await owner.call('POST', '/groups/plant-7/links', { name: 'l', address: 'agent.test:9444' });
  await owner.call('PUT', '/groups/plant-7/plugins/p', { config: {} });
  const lease = { ttlSeconds: 60, maxTtlSeconds: 60, maxUses: null, windows: [] };
  await owner.call('PUT', '/groups/plant-7/secrets/lent', { value: 'value', lease });
  const leaseId = randomUUID();
  await agent.takeLease('lent', { id: leaseId });
  const certificate = bodies['PUT /groups/{group}/certificates/{certificate}'];
  await owner.call('PUT', '/groups/plant-7/certificates/c', certificate);
  await owner.call('POST', '/plugin-types', { name: 'gateway', schema: { type: 'object' } });
  const task = await owner.call('POST', `/agents/${agent.id}/tasks`, { kind: 'diagnose' });
  const token = await owner.call('POST', '/groups/plant-7/enrollment-tokens', {});
  const agentToken = await owner.call('POST', `/agents/${agent.id}/tokens`, {});
  for (const name of ['somebody', 'other'])
    await owner.call('POST', '/operators', { name, password: 'correct horse battery' });
  const somebody = { name: 'somebody', password: 'correct horse battery' };
  await (
    await OperatorClient.signedIn(controlPlane.operatorApp, somebody)
  ).call('POST', '/me/totp', { password: somebody.password });
  const held = { role: 'viewer', group: 'plant-7' };
  const binding = await owner.call('POST', '/role-bindings', { operator: 'other', ...held });
  const key = await owner.call('POST', '/api-keys', { name: 'held', roles: [held] });
  existing = {
    group: 'plant-7',
    secret: 's',
    lease: leaseId,
    link: 'l',
    plugin: 'p',
    certificate: 'c',
    type: 'gateway',
    operator: 'somebody',
    agent: agent.id,
    task: field(task.body, 'id'),
    token: field(token.body, 'id'),
    agentToken: field(agentToken.body, 'id'),
    binding: field(binding.body, 'id'),
    key: field(key.body, 'id'),
    authority: await authorityIn('active'),
    ban: field((await owner.call('POST', `/agents/${banned.id}/ban`, {})).body, 'id'),
  };
});
afterAll(() => controlPlane.end());

/** A CA that stands where a change asks for it. */
async function authorityIn(state: 'prepared' | 'active' | 'superseded'): Promise<string> {
  const path = '/certificate-authorities';
  const { items } = certificateAuthorityList.parse((await owner.call('GET', path)).body);
  const found = items.find((item) => item.state === state);
  if (found !== undefined) return found.id;
  if (state === 'prepared') return field((await owner.call('POST', path)).body, 'id');
  await owner.call('POST', `${path}/${await authorityIn('prepared')}/activate`);
  return authorityIn('superseded');
}

/** A caller with an API key that holds these roles. */
async function caller(held: HeldRole[]): Promise<OperatorClient> {
  const reply = await owner.call('POST', '/api-keys', { name: 'caller', roles: held });
  const client = new OperatorClient(controlPlane.operatorApp);
  client.token = field(reply.body, 'key');
  return client;
}

/** All that is stored, but for the audit and when a key was last used. */
async function everyRow(): Promise<Record<string, unknown>> {
  return asAdmin(controlPlane.databaseUrl, async (database) => {
    const contents: Record<string, unknown> = {};
    const { rows: tables } = await database.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
    );
    for (const { name } of tables.filter(({ name }) => !/^audit_|^api_keys$/.test(name)))
      contents[name] = (await database.query(`SELECT t::text FROM ${name} t ORDER BY 1`)).rows;
    return contents;
  });
}

async function send(client: OperatorClient, { method, path }: ApiOperation): Promise<Reply> {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, part: string) => {
    const value = existing[part];
    if (value === undefined) throw new Error(`nothing is known to stand for {${part}} in ${path}`);
    return value;
  });
  const key = `${method} ${path}`;
  const takesBody = method === 'PUT' || method === 'PATCH' || bodies[key] !== undefined;
  if (takesBody && bodies[key] === undefined) throw new Error(`there is no body for ${key}`);
  // Nobody continues the chain here, and what reads it waits until it holds what was written before.
  if (path.startsWith('/audit')) await placeAll(controlPlane);
  // What is there is replaced whatever it is.
  const headers = method === 'PUT' && path.endsWith('{plugin}') ? { 'if-match': '*' } : {};
  return client.call(method, filled, bodies[key], headers);
}

/** The operations that ask for a right, harmless ones first, so that what a later one asks for is still there. */
function guarded(): (ApiOperation & { permission: Permission })[] {
  const order = { GET: 0, POST: 1, PUT: 1, PATCH: 1, DELETE: 3 };
  const rank = ({ method, path }: ApiOperation) =>
    method === 'DELETE' && path === '/groups/{group}'
      ? 4
      : /\/(revoke|ban|totp)$/.test(path)
        ? 2
        : order[method];
  return (
    operations
      .flatMap(({ permission = '', ...operation }) =>
        isPermission(permission) ? [{ ...operation, permission }] : [],
      )
      // Of one's own session and credentials, which an API key has not: tested where they are.
      .filter(({ path }) => !/^\/(sessions|me\/)/.test(path))
      .toSorted((a, b) => rank(a) - rank(b))
  );
}

test('[AT-04] every operation of the published API names a permission of the policy, but for the few that are public', () => {
  const others = operations.filter(({ permission = '' }) => !isPermission(permission));
  expect(others.map(({ method, path }) => `${method} ${path}`)).toEqual(PUBLIC);
  expect(others.map(({ permission }) => permission)).toEqual(PUBLIC.map(() => 'public'));
  const asked = new Set(operations.map(({ permission }) => permission));
  expect(permissions.filter((permission) => !asked.has(permission))).toEqual([]);
});

test.each([
  ['no credential', undefined, 'session.required'],
  ['an empty credential', '', 'session.required'],
  ['a bogus token', 'sp_session_bogus', 'session.invalid'],
  ['a bogus API key', 'sp_key_bogus', 'api_key.invalid'],
])('[AT-04] every operation refuses a caller with %s', async (_, token, code) => {
  const client = new OperatorClient(controlPlane.operatorApp);
  client.token = token;
  for (const operation of guarded())
    expect({ operation, reply: await send(client, operation) }).toMatchObject({
      reply: { status: 401, body: { code } },
    });
});

describe.each(roles)('[AT-04] a caller who is %s everywhere', (role: Role) => {
  test('is refused what policy does not give the role, which changes nothing, and shown the rest', async () => {
    const client = await caller([{ role, group: null }]);
    const before = await everyRow();
    for (const operation of guarded().filter(({ permission }) => !allows(role, permission)))
      expect({ operation, reply: await send(client, operation) }).toMatchObject({
        reply: { status: 403, body: { code: 'permission.denied' } },
      });
    expect(await everyRow()).toEqual(before);
    for (const operation of guarded().filter(({ method, permission }) => {
      return method === 'GET' && allows(role, permission);
    }))
      expect({ operation, reply: await send(client, operation) }).toMatchObject({
        reply: { status: 200 },
      });
  });
});

describe.each(roles)('[AT-03] a caller who is %s in another group alone', (role: Role) => {
  test('finds nothing of this group, in the words that tell of what is not there', async () => {
    const client = await caller([{ role, group: 'plant-8' }]);
    for (const operation of guarded().filter(({ path }) => IN_A_GROUP.test(path))) {
      const hidden = await send(client, operation);
      expect({ operation, status: hidden.status }).toEqual({ operation, status: 404 });
      expect(withoutRequestId(hidden)).toEqual(withoutRequestId(await missing(client, operation)));
    }
    for (const path of ['/groups', '/api-keys', '/role-bindings'])
      expect((await client.call('GET', path)).text).not.toContain('plant-7');
  });

  test('[AT-04] is refused what is for the whole installation, also what the role gives', async () => {
    const client = await caller([{ role, group: 'plant-8' }]);
    const ofAll = guarded().filter(({ path }) => !IN_A_GROUP.test(path));
    const before = await everyRow();
    const told: object[] = [];
    for (const operation of ofAll) {
      const { status, body } = await send(client, operation);
      const problem = z.object({ code: z.string().optional() }).optional().parse(body);
      told.push({ operation, status, code: problem?.code });
    }
    expect(told).toEqual(ofAll.map((operation) => ({ operation, ...answer(role, operation) })));
    expect(await everyRow()).toEqual(before);
  });
});

/** What a role of another group is told of an operation that names no group in its path. */
function answer(role: Role, { method, path, permission }: ReturnType<typeof guarded>[number]) {
  const key = `${method} ${path}`;
  // The group is in the body.
  if (['POST /role-bindings', 'POST /api-keys'].includes(key))
    return { status: 404, code: 'group.not_found' };
  const may = isOpen(permission) || (IN_ANY_GROUP.includes(key) && allows(role, permission));
  return may ? { status: 200, code: undefined } : { status: 403, code: 'permission.denied' };
}

/** The same of things that do not exist. */
async function missing(client: OperatorClient, operation: ApiOperation): Promise<Reply> {
  const known = existing;
  const absent = '01890a5d-ac96-774b-bcce-b302099a8057';
  existing = { ...existing, group: 'plant-0', agent: absent, key: absent, binding: absent };
  try {
    return await send(client, operation);
  } finally {
    existing = known;
  }
}

function withoutRequestId({ status, headers, text }: Reply) {
  const { 'x-request-id': requestId, date: _date, ...rest } = headers;
  return { status, headers: rest, text: text.replaceAll(String(requestId), '') };
}

test('[AT-04] what policy gives is done: an owner’s every change succeeds', async () => {
  const client = await caller([{ role: 'owner', group: null }]);
  for (const operation of guarded().filter(({ method }) => method !== 'GET')) {
    const key = `${operation.method} ${operation.path}`;
    // One that holds nothing.
    if (key === 'DELETE /groups/{group}') existing['group'] = 'plant-9';
    if (operation.path.includes('{authority}'))
      existing['authority'] = await authorityIn(key.endsWith('retire') ? 'superseded' : 'prepared');
    const { status } = await send(client, operation);
    expect({ key, done: status < 300 }).toEqual({
      key,
      done: true,
    });
  }
});
