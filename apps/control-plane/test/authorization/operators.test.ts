import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { page, roleBinding, type HeldRole } from '@sallyport/contract';
import { FAILURES_BEFORE_LOCK, LOCK_SECONDS } from '../../src/operators/sign-in-failures.ts';
import { placeAll } from '../audit/chain.ts';
import { newApp } from '../authenticator-app.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient, type Reply } from '../operator-client.ts';

const bindings = page(roleBinding);
const PASSWORD = 'a password of some length';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (const name of ['plant-7', 'plant-8']) await owner.call('POST', '/groups', { name });
});
afterAll(() => controlPlane.end());

let made = 0;
let name: string;
beforeEach(() => {
  made += 1;
  name = `operator-${made}`;
});

async function create(roles: HeldRole[] = [], by = owner): Promise<Reply> {
  return by.call('POST', '/operators', { name, password: PASSWORD, roles });
}

async function signedIn(as: string, password = PASSWORD): Promise<OperatorClient> {
  const client = new OperatorClient(controlPlane.operatorApp);
  const reply = await client.call('POST', '/sessions', { name: as, password });
  expect(reply.status).toBe(201);
  client.token = field(reply.body, 'token');
  return client;
}

test('[AX-18] an operator signs in by name and password and may what its roles give, from the next request on', async () => {
  expect((await create()).status).toBe(201);
  const client = await signedIn(name);
  expect((await client.call('GET', '/groups')).status).toBe(403);
  const held = { role: 'viewer', group: 'plant-7' };
  const binding = await owner.call('POST', '/role-bindings', { operator: name, ...held });
  expect(binding).toMatchObject({ status: 201, body: { operator: name, ...held } });
  expect(await client.call('GET', '/groups')).toMatchObject({
    body: { items: [{ name: 'plant-7' }] },
  });
  expect((await client.call('GET', '/groups/plant-8')).status).toBe(404);
  await owner.call('DELETE', `/role-bindings/${field(binding.body, 'id')}`);
  expect((await client.call('GET', '/groups')).status).toBe(403);
});

test('[AX-18] who has a second factor that counts, and whose name is locked, is shown', async () => {
  const { clock } = controlPlane;
  const standing = async () => {
    const one = await owner.call('GET', `/operators/${name}`);
    const all = await owner.call('GET', '/operators?limit=200');
    expect(all.body).toMatchObject({ items: expect.arrayContaining([one.body]) });
    return one.body;
  };
  const without = { secondFactor: false, lockedUntil: null };
  const created = await owner.call('POST', '/operators', { name, password: OWNER_PASSWORD });
  expect(created.body).toMatchObject(without);
  const client = await signedIn(name, OWNER_PASSWORD);
  const app = await newApp(client, clock);
  expect(await standing()).toMatchObject(without);
  await client.call('POST', '/me/totp/confirm', { code: app.code() });
  expect(await standing()).toMatchObject({ secondFactor: true, lockedUntil: null });
  const anybody = new OperatorClient(controlPlane.operatorApp);
  for (let failures = 0; failures < FAILURES_BEFORE_LOCK; failures += 1)
    await anybody.call('POST', '/sessions', { name, password: 'wrong' });
  const until = new Date(clock.now() + LOCK_SECONDS * 1000).toISOString();
  expect(await standing()).toMatchObject({ secondFactor: true, lockedUntil: until });
  clock.advance(LOCK_SECONDS * 1000);
  try {
    expect(await standing()).toMatchObject({ secondFactor: true, lockedUntil: null });
  } finally {
    clock.advance(-LOCK_SECONDS * 1000);
  }
});

test('[AX-18] a wrong password and a deleted operator are refused, and a deleted one’s session ends', async () => {
  await create([{ role: 'viewer', group: null }]);
  const client = await signedIn(name);
  const wrong = { status: 401, body: { code: 'credentials.wrong' } };
  const anybody = new OperatorClient(controlPlane.operatorApp);
  expect(await anybody.call('POST', '/sessions', { name, password: 'wrong' })).toMatchObject(wrong);
  expect((await owner.call('DELETE', `/operators/${name}`)).status).toBe(204);
  expect(await anybody.call('POST', '/sessions', { name, password: PASSWORD })).toMatchObject(
    wrong,
  );
  expect((await client.call('GET', '/me')).status).toBe(401);
  for (const method of ['GET', 'DELETE'] as const)
    expect(await owner.call(method, `/operators/${name}`)).toMatchObject({
      status: 404,
      body: { code: 'operator.not_found' },
    });
});

test('a reset password takes the old one’s place and ends the sessions', async () => {
  await create([{ role: 'viewer', group: null }]);
  const client = await signedIn(name);
  const password = 'another long password';
  expect((await owner.call('PUT', `/operators/${name}/password`, { password })).status).toBe(204);
  expect((await client.call('GET', '/me')).status).toBe(401);
  const anybody = new OperatorClient(controlPlane.operatorApp);
  expect((await anybody.call('POST', '/sessions', { name, password: PASSWORD })).status).toBe(401);
  await signedIn(name, password);
});

test.each([
  ['password', () => owner.call('PUT', `/operators/${name}/password`, { password: PASSWORD })],
  [
    'role',
    () => owner.call('POST', '/role-bindings', { operator: name, role: 'viewer', group: null }),
  ],
])('a new %s that waits for who deletes the operator finds none', async (_, ask) => {
  await create();
  const gone = `DELETE FROM operators WHERE name = '${name}'`;
  const replies: Promise<Reply>[] = [];
  await whileHeld(controlPlane.databaseUrl, gone, async () => {
    replies.push(ask());
    await lockWaits(controlPlane.databaseUrl);
  });
  expect(await Promise.all(replies)).toMatchObject([
    { status: 404, body: { code: 'operator.not_found' } },
  ]);
});

test.each([
  ['a name that is taken', { name: 'owner' }, 409, 'operator.exists'],
  ['a short password', { password: 'short' }, 400, 'request.invalid'],
  ['an unknown role', { roles: [{ role: 'root', group: null }] }, 400, 'request.invalid'],
  ['an unknown group', { roles: [{ role: 'viewer', group: 'x' }] }, 404, 'group.not_found'],
  [
    'a role twice',
    { roles: Array.from({ length: 2 }, () => ({ role: 'viewer', group: null })) },
    400,
    'request.invalid',
  ],
])('refuses to make an operator with %s, and makes none', async (_, more, status, code) => {
  const reply = await owner.call('POST', '/operators', {
    name,
    password: PASSWORD,
    roles: [],
    ...more,
  });
  expect(reply).toMatchObject({ status, body: { code } });
  expect(reply.text).not.toContain('short"');
  expect((await owner.call('GET', `/operators/${name}`)).status).toBe(404);
});

test('[AT-04] nobody gives or takes a role that brings more than they hold, nor acts for who holds it', async () => {
  await create([{ role: 'admin', group: null }]);
  const admin = await signedIn(name);
  const denied = { status: 403, body: { code: 'permission.denied' } };
  const owning = { operator: name, role: 'owner', group: null };
  expect(await admin.call('POST', '/role-bindings', owning)).toMatchObject(denied);
  expect(await admin.call('DELETE', '/operators/owner')).toMatchObject(denied);
  expect(
    await admin.call('PUT', '/operators/owner/password', { password: PASSWORD }),
  ).toMatchObject(denied);
  const { body } = await owner.call('GET', '/role-bindings?limit=200');
  const [ownersBinding] = bindings.parse(body).items.filter((item) => item.operator === 'owner');
  expect(await admin.call('DELETE', `/role-bindings/${ownersBinding?.id}`)).toMatchObject(denied);
  const auditing = { operator: name, role: 'auditor', group: null };
  expect((await admin.call('POST', '/role-bindings', auditing)).status).toBe(201);
  expect(await admin.call('POST', '/role-bindings', auditing)).toMatchObject({
    status: 409,
    body: { code: 'role_binding.exists' },
  });
});

test('[AT-03] an admin of one group gives roles there and nowhere else', async () => {
  await create([{ role: 'admin', group: 'plant-7' }]);
  const admin = await signedIn(name);
  const give = (role: string, group: string | null) =>
    admin.call('POST', '/role-bindings', { operator: 'owner', role, group });
  expect((await give('viewer', 'plant-7')).status).toBe(201);
  expect((await give('viewer', 'plant-8')).status).toBe(404);
  const refused = [await give('viewer', null), await give('owner', 'plant-7')];
  expect(refused.map(({ status }) => status)).toEqual([403, 403]);
  await placeAll(controlPlane);
  const audited = refused.map(({ body }) =>
    owner.call('GET', `/audit?requestId=${field(body, 'requestId')}`),
  );
  expect(await Promise.all(audited)).toMatchObject([
    { body: { items: [{ event: { outcome: 'refused', groupId: null } }] } },
    { body: { items: [{ event: { outcome: 'refused', groupId: expect.any(String) } }] } },
  ]);
  const seen = await admin.call('GET', '/role-bindings');
  expect(seen.text).toContain('plant-7');
  expect(seen.text).not.toContain('"group":null');
});

test('[AT-04] the last owner stays, also when two owners remove each other at once', async () => {
  await create([{ role: 'owner', group: null }]);
  const other = await signedIn(name);
  const removals: Promise<Reply>[] = [];
  await whileHeld(controlPlane.databaseUrl, 'SELECT FROM operators FOR UPDATE', async () => {
    removals.push(owner.call('DELETE', `/operators/${name}`));
    removals.push(other.call('DELETE', '/operators/owner'));
    await lockWaits(controlPlane.databaseUrl, 2);
  });
  const [first, second] = await Promise.all(removals);
  if (first === undefined || second === undefined) throw new Error('nobody was removed');
  expect([first.status, second.status].toSorted()).toEqual([204, 409]);
  const left = first.status === 204 ? owner : other;
  const { body } = await left.call('GET', '/me');
  expect(await left.call('DELETE', `/operators/${field(body, 'name')}`)).toMatchObject({
    status: 409,
    body: { code: 'operator.last_owner' },
  });
  owner = left;
});
