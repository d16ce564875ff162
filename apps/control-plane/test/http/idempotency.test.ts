import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { appendAuditEvents } from '../../src/audit/index.ts';
import { systemOperation } from '../../src/authorization/index.ts';
import {
  beginAttempt,
  claimAct,
  digestOf,
  keepReply,
} from '../../src/idempotency/idempotency.service.ts';
import { forgetExpired } from '../../src/maintenance/forget-expired.ts';
import { placeAll } from '../audit/chain.ts';
import { OWNER_PASSWORD, startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient } from '../operator-client.ts';

const LEASE_MS = 60_000;
const DAY_MS = 24 * 60 * 60 * 1000;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let ownerId: string;
beforeAll(async () => {
  controlPlane = await startControlPlane({
    settings: { sessions: { maxHours: 168, idleMinutes: 1440 } },
  });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  ownerId = field((await owner.call('GET', '/me')).body, 'id');
  await owner.call('POST', '/groups', { name: 'plant-7' });
});
afterAll(() => controlPlane.end());

const post = (path: string, body: object, key: string, client = owner) =>
  client.call('POST', path, body, { 'idempotency-key': key });

async function groupNames(): Promise<string> {
  return (await owner.call('GET', '/groups?limit=200')).text;
}

/** An attempt at making a group whose replica dies; `acted` before its reply, or before it did anything. */
async function deadAttempt(name: string, key: string, acted: boolean) {
  const { platform } = controlPlane;
  const digest = digestOf('POST', '/api/v1/groups', JSON.stringify({ name }));
  const begun = await beginAttempt(platform, { principalId: ownerId, key, digest });
  if (!('attempt' in begun)) throw new Error('the key is in use');
  if (acted) await platform.db.transaction((tx) => claimAct(tx, begun.attempt));
  return begun.attempt;
}

test('the same key and request are answered the same, also where a credential is shown once, and done once', async () => {
  const body = { uses: 3 };
  const first = await post('/groups/plant-7/enrollment-tokens', body, 'token-1');
  expect(first).toMatchObject({ status: 201 });
  expect(first.headers['idempotency-replayed']).toBeUndefined();
  const again = await post('/groups/plant-7/enrollment-tokens', body, 'token-1');
  expect(again).toMatchObject({ status: 201, headers: { 'idempotency-replayed': 'true' } });
  expect(again.text).toBe(first.text);
  const listed = await owner.call('GET', '/groups/plant-7/enrollment-tokens');
  expect(listed.body).toMatchObject({ items: [{ id: field(first.body, 'id') }] });
  const another = await post('/groups/plant-7/enrollment-tokens', body, 'token-2');
  expect(field(another.body, 'token')).not.toBe(field(first.body, 'token'));
});

test('the entity tag and a reply without a body come again too', async () => {
  const made = await post('/groups', { name: 'tagged' }, 'tag');
  const again = await post('/groups', { name: 'tagged' }, 'tag');
  expect(again).toMatchObject({ status: 201, headers: { etag: made.headers['etag'] } });
  const other = 'a new correct horse battery';
  const change = { current: OWNER_PASSWORD, new: other };
  for (const replayed of [undefined, 'true'])
    expect(await post('/me/password', change, 'password')).toMatchObject({
      status: 204,
      text: '',
      headers: replayed === undefined ? {} : { 'idempotency-replayed': replayed },
    });
  await post('/me/password', { current: other, new: OWNER_PASSWORD }, 'password-back');
});

test('the same key with another request is refused, and does nothing', async () => {
  await post('/groups', { name: 'first' }, 'reused');
  const mismatch = { status: 422, body: { code: 'idempotency.mismatch' } };
  expect(await post('/groups', { name: 'second' }, 'reused')).toMatchObject(mismatch);
  const elsewhere = await post('/operators', { name: 'x', password: OWNER_PASSWORD }, 'reused');
  expect(elsewhere).toMatchObject(mismatch);
  expect(await groupNames()).not.toContain('second');
});

test('a key is its caller’s own', async () => {
  const roles = [{ role: 'owner', group: null }];
  const reply = await owner.call('POST', '/api-keys', { name: 'ci', roles });
  const automation = new OperatorClient(controlPlane.operatorApp);
  automation.token = field(reply.body, 'key');
  expect((await post('/groups', { name: 'mine' }, 'shared')).status).toBe(201);
  expect((await post('/groups', { name: 'its' }, 'shared', automation)).status).toBe(201);
});

test('[AT-10] who has lost a role since is not given a credential again, and that is audited', async () => {
  const person = { name: 'mallory', password: OWNER_PASSWORD };
  await owner.call('POST', '/operators', person);
  const bind = () =>
    owner.call('POST', '/role-bindings', { operator: 'mallory', role: 'admin', group: 'plant-7' });
  const bound = await bind();
  const mallory = await OperatorClient.signedIn(controlPlane.operatorApp, person);
  const ask = () => post('/groups/plant-7/enrollment-tokens', {}, 'theirs', mallory);
  const first = await ask();
  expect((await ask()).text).toBe(first.text);
  const { databaseUrl } = controlPlane;
  let asked = ask();
  await whileHeld(databaseUrl, 'SELECT FROM installations FOR UPDATE', async () => {
    asked = ask();
    await lockWaits(databaseUrl);
    await owner.call('DELETE', `/role-bindings/${field(bound.body, 'id')}`);
  });
  const refused = await ask();
  for (const reply of [await asked, refused]) {
    expect(reply).toMatchObject({ status: 403, body: { code: 'permission.denied' } });
    expect(reply.text).not.toContain(field(first.body, 'token'));
  }
  for (const other of [
    { role: 'viewer', group: 'plant-7' },
    { role: 'admin', group: 'first' },
  ])
    await owner.call('POST', '/role-bindings', { operator: 'mallory', ...other });
  expect((await ask()).status).toBe(403);
  const query = `/audit?requestId=${field(refused.body, 'requestId')}`;
  const events = { items: [{ event: { outcome: 'refused', actor: { name: 'mallory' } } }] };
  await placeAll(controlPlane);
  expect((await owner.call('GET', query)).body).toMatchObject(events);
  await bind();
  await owner.call('POST', '/role-bindings', { operator: 'mallory', role: 'viewer', group: null });
  expect((await ask()).text).toBe(first.text);
});

test('a second factor’s secret is not kept: asked for again, there is another', async () => {
  const body = { password: OWNER_PASSWORD };
  const secret = async () => field((await post('/me/totp', body, 'totp')).body, 'secret');
  expect(await secret()).not.toBe(await secret());
});

test('a refusal is not kept: the key is good for the request that is right', async () => {
  expect((await post('/groups', { name: 'NOT A NAME' }, 'retried')).status).toBe(400);
  expect((await post('/groups', { name: 'plant-7' }, 'retried')).status).toBe(409);
  expect((await post('/groups', { name: 'plant-8' }, 'retried')).status).toBe(201);
});

test('of requests that come together one is done; the others are told so, or given its reply', async () => {
  const replies = await Promise.all(
    Array.from({ length: 5 }, () => post('/groups', { name: 'once' }, 'together')),
  );
  const done = replies.filter(
    ({ status, headers }) => status === 201 && headers['idempotency-replayed'] === undefined,
  );
  expect(done).toHaveLength(1);
  for (const { status, body, headers } of replies)
    if (status !== 201)
      expect({ body, headers }).toMatchObject({
        body: { code: 'idempotency.in_progress' },
        headers: { 'retry-after': '1' },
      });
  expect(await post('/groups', { name: 'once' }, 'together')).toMatchObject({ status: 201 });
});

test('what a replica that died had not done is done by the next attempt, a minute later, and cannot be done by the first', async () => {
  const dead = await deadAttempt('undone', 'died-before', false);
  const retry = () => post('/groups', { name: 'undone' }, 'died-before');
  expect(await retry()).toMatchObject({ status: 409, body: { code: 'idempotency.in_progress' } });
  controlPlane.clock.advance(LEASE_MS);
  expect((await retry()).status).toBe(201);
  const { platform } = controlPlane;
  await expect(platform.db.transaction((tx) => claimAct(tx, dead))).rejects.toMatchObject({
    code: 'idempotency.in_progress',
  });
  await keepReply(platform, dead, { status: 201, grants: [], body: '"of the first"' });
  expect((await retry()).body).toMatchObject({ name: 'undone' });
});

test('what a replica that died had done is never done again: its reply is lost, and said to be', async () => {
  await deadAttempt('done', 'died-after', true);
  const retry = () => post('/groups', { name: 'done' }, 'died-after');
  expect(await retry()).toMatchObject({ status: 409, body: { code: 'idempotency.in_progress' } });
  controlPlane.clock.advance(LEASE_MS);
  expect(await retry()).toMatchObject({ status: 409, body: { code: 'idempotency.reply_lost' } });
  expect(await groupNames()).not.toContain('"done"');
});

test.each([
  ['done', 1],
  ['refused', 0],
] as const)(
  'an act that is recorded among others as %s claims its attempt %s times',
  async (outcome, times) => {
    const op = systemOperation('test');
    let claims = 0;
    op.onAct = async () => {
      claims += 1;
    };
    const act = { action: 'task:create', subject: 'task:made', outcome } as const;
    const { db, clock } = controlPlane.platform;
    await db.transaction((tx) => appendAuditEvents(tx, [{ op, act }], clock.now()));
    expect(claims).toBe(times);
  },
);

test('[A7-20] replies are kept sealed, and nothing of them or of the request in clear', async () => {
  const reply = await post('/groups/plant-7/enrollment-tokens', { uses: 9 }, 'canary-of-the-key');
  const { rows } = await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query<{ bytes: Buffer; text: string }>(
      'SELECT sealed_exchange AS bytes, k::text AS text FROM idempotency_keys k',
    ),
  );
  const stored = rows.map(({ bytes, text }) => bytes.toString('latin1') + text).join('\n');
  expect(rows.length).toBeGreaterThan(0);
  expect(stored).not.toContain(field(reply.body, 'token'));
  expect(stored).not.toContain('canary-of-the-key');
  expect(stored).not.toContain('digest');
});

test('replies are forgotten after a day', async () => {
  const token = () => post('/groups/plant-7/enrollment-tokens', { uses: 1 }, 'daily');
  const first = await token();
  controlPlane.clock.advance(DAY_MS - 1);
  await owner.call('GET', '/me');
  expect((await token()).text).toBe(first.text);
  controlPlane.clock.advance(1);
  expect((await token()).text).not.toBe(first.text);
  controlPlane.clock.advance(DAY_MS);
  await forgetExpired(controlPlane.platform);
  const { rows } = await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('SELECT FROM idempotency_keys'),
  );
  expect(rows).toEqual([]);
});

test.each([
  ['an empty key', ''],
  ['a key of 256 characters', 'k'.repeat(256)],
  ['a key with a space', 'two words'],
])('%s is refused', async (_, key) => {
  const session = await OperatorClient.signedIn(controlPlane.operatorApp);
  expect(await post('/groups', { name: 'never' }, key, session)).toMatchObject({
    status: 400,
    body: { code: 'request.invalid', issues: [{ field: 'headers.idempotency-key' }] },
  });
});

test('a session is opened whatever key comes with it, and is another each time', async () => {
  const signIn = async () => {
    const body = { name: 'owner', password: OWNER_PASSWORD };
    const reply = await post(
      '/sessions',
      body,
      'session',
      new OperatorClient(controlPlane.operatorApp),
    );
    return field(reply.body, 'token');
  };
  expect(await signIn()).not.toBe(await signIn());
});

test('a value that is revealed is not kept, nor what is put, which may be repeated anyhow', async () => {
  const session = await OperatorClient.signedIn(controlPlane.operatorApp);
  for (let time = 0; time < 2; time += 1) {
    const put = await session.call(
      'PUT',
      '/groups/plant-7/secrets/s',
      { value: 'v' },
      { 'idempotency-key': 'put' },
    );
    expect(put.headers['idempotency-replayed']).toBeUndefined();
  }
  for (let time = 0; time < 2; time += 1) {
    const reply = await post('/groups/plant-7/secrets/s/reveal', {}, 'reveal', session);
    expect(reply.status).toBe(200);
    expect(reply.headers['idempotency-replayed']).toBeUndefined();
  }
});
