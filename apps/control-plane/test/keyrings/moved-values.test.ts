import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { digestOf } from '../../src/idempotency/idempotency.service.ts';
import { rewrapKeyrings, UnreadableReports } from '../../src/keyrings/index.ts';
import { enableTotp } from '../authenticator-app.ts';
import {
  OWNER_PASSWORD,
  startControlPlane,
  WITHOUT_WORKER,
  type TestControlPlane,
} from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { eventsOf, leasesOf, lendingIn, policy } from '../lending.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { unreadableIn } from '../unreadable-events.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

async function sql<Row extends Record<string, unknown>>(statement: string): Promise<Row[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    return (await client.query<Row>(statement)).rows;
  });
}

let made = 0;
let here: string;
let there: string;
beforeEach(async () => {
  made += 1;
  [here, there] = [`here-${made}`, `there-${made}`];
  for (const name of [here, there]) {
    await owner.call('POST', '/groups', { name });
    for (const secret of ['a', 'b'])
      await owner.call('PUT', `/groups/${name}/secrets/${secret}`, {
        value: `${secret} of ${name}`,
      });
  }
  // A value of an older version of the secret, and one under an older version of the key.
  await owner.call('PUT', `/groups/${here}/secrets/a`, { value: 'the second' });
  await owner.call('POST', `/groups/${here}/keyring/rotate`);
  await owner.call('PUT', `/groups/${here}/secrets/c`, { value: 'under the second key' });
});

/** The row of a secret's version, as SQL. */
const version = (group: string, secret: string, number: number | 'current' = 'current') =>
  `(SELECT v.id FROM secret_versions v JOIN secrets s ON s.id = v.secret_id JOIN groups g ON g.id = s.group_id
    WHERE g.name = '${group}' AND s.name = '${secret}'
      AND v.version = ${number === 'current' ? 's.version' : number})`;

/** Puts one row's ciphertext, with the version of its key, in the place of another's. */
const move = (from: string, to: string) =>
  sql(`UPDATE secret_versions t SET sealed_value = f.sealed_value, key_version = f.key_version
    FROM secret_versions f WHERE f.id = ${from} AND t.id = ${to}`);

const reveal = () => owner.call('POST', `/groups/${here}/secrets/a/reveal`, {});

const audited = () => unreadableIn(controlPlane, here);
const unreadable = { status: 500, body: { code: 'envelope.unreadable' } };

test.each<[string, () => Promise<unknown>]>([
  ['another secret’s row', () => move(version(here, 'b'), version(here, 'a'))],
  ['an older version of the same secret', () => move(version(here, 'a', 1), version(here, 'a'))],
  ['another group', () => move(version(there, 'a'), version(here, 'a'))],
  ['a row under another key version', () => move(version(here, 'c'), version(here, 'a'))],
  [
    'another field: the delivery key',
    () =>
      sql(`UPDATE secret_versions t SET sealed_value = d.sealed_key, key_version = d.key_version
        FROM delivery_keys d WHERE d.group_id = t.group_id AND t.id = ${version(here, 'a')}`),
  ],
  [
    'the same row, said to be under another key version',
    () => sql(`UPDATE secret_versions SET key_version = 2 WHERE id = ${version(here, 'a')}`),
  ],
  [
    'the same row with one bit changed',
    () =>
      sql(`UPDATE secret_versions
        SET sealed_value = set_bit(sealed_value, 240, 1 - get_bit(sealed_value, 240))
        WHERE id = ${version(here, 'a')}`),
  ],
])('[F-16] [AT-18] a ciphertext from %s does not open, and that is audited', async (_, swap) => {
  expect((await reveal()).status).toBe(200);
  await swap();
  const refused = await reveal();
  expect(refused).toMatchObject(unreadable);
  expect(refused.text).not.toMatch(/second|of here|of there/);
  expect(await audited()).toMatchObject([{ outcome: 'refused', actor: 'operator' }]);
  await reveal();
  expect(await audited()).toHaveLength(1);
  expect((await owner.call('POST', `/groups/${here}/secrets/b/reveal`, {})).status).toBe(200);
});

test('[F-16] a bundle with a moved value is not built, which is audited; a write that mends the secret lets it be built', async () => {
  const agent = await agentIn(owner, here, controlPlane);
  await move(version(there, 'a'), version(here, 'a'));
  await owner.call('PUT', `/groups/${here}/secrets/d`, { value: 'next revision' });
  expect((await agent.pullRaw()).status).toBe(500);
  expect(await audited()).toMatchObject([{ outcome: 'refused', actor: 'system' }]);
  await owner.call('PUT', `/groups/${here}/secrets/a`, { value: 'mended' });
  expect(await agent.open(await agent.pull())).toMatchObject({ a: 'mended', d: 'next revision' });
});

test('[F-16] a moved value is not lent: no lease is granted, which is audited, until a write mends the secret', async () => {
  const agent = await lendingIn(controlPlane, owner, here);
  const id = randomUUID();
  await move(version(there, 'a'), version(here, 'db'));
  expect(await agent.takeLease('db', { id })).toMatchObject(unreadable);
  expect(await audited()).toMatchObject([{ outcome: 'refused', actor: 'agent' }]);
  expect(await leasesOf(owner, here)).toMatchObject({ items: [] });
  expect(await eventsOf(controlPlane, `lease:${id}`)).toEqual([]);
  await owner.call('PUT', `/groups/${here}/secrets/db`, { value: 'mended', lease: policy });
  expect(await agent.lent(await agent.takeLease('db', { id }), id)).toBe('mended');
});

test('[F-16] the secret of a second factor that was moved opens no session, and that is audited', async () => {
  const password = OWNER_PASSWORD;
  const signIn = async (name: string, totp: string) =>
    new OperatorClient(controlPlane.operatorApp).call('POST', '/sessions', {
      name,
      password,
      totp,
    });
  const enabled = async (name: string) => {
    const { body } = await owner.call('POST', '/operators', { name, password });
    const client = await OperatorClient.signedIn(controlPlane.operatorApp, { name, password });
    return { id: field(body, 'id'), app: await enableTotp(client, controlPlane.clock) };
  };
  const [victim, other] = [await enabled('victim'), await enabled('other')];
  await sql(`UPDATE operator_totps t SET sealed_secret = f.sealed_secret FROM operator_totps f
    WHERE f.operator_id = '${other.id}' AND t.operator_id = '${victim.id}'`);
  controlPlane.clock.advance(30_000);
  expect(await signIn('victim', other.app.code())).toMatchObject(unreadable);
  expect(await unreadableIn(controlPlane, null)).toContainEqual({
    subject: `operator_totps.sealed_secret:${victim.id}`,
    outcome: 'refused',
    actor: 'anonymous',
  });
  expect((await signIn('other', other.app.code())).status).toBe(201);
});

test('[F-16] a kept reply that was moved to another key is not given, and that is audited', async () => {
  const post = (key: string) =>
    owner.call('POST', `/groups/${here}/enrollment-tokens`, {}, { 'idempotency-key': key });
  const rowOf = (key: string) => `key_hash = '${digestOf(key)}'`;
  const [victim, other] = [`victim-${made}`, `other-${made}`];
  for (const key of [victim, other]) expect((await post(key)).status).toBe(201);
  const [row] = await sql<{ id: string }>(`SELECT id FROM idempotency_keys WHERE ${rowOf(victim)}`);
  await sql(`UPDATE idempotency_keys SET sealed_exchange =
    (SELECT sealed_exchange FROM idempotency_keys WHERE ${rowOf(other)}) WHERE ${rowOf(victim)}`);
  const refused = await post(victim);
  expect(refused).toMatchObject(unreadable);
  expect(refused.text).not.toContain('sp_enroll_');
  expect(await unreadableIn(controlPlane, null)).toContainEqual({
    subject: `idempotency_keys.sealed_exchange:${row?.id}`,
    outcome: 'refused',
    actor: 'operator',
  });
  expect(await post(other)).toMatchObject({ headers: { 'idempotency-replayed': 'true' } });
});

test('[F-15] [F-16] sealing anew leaves a value that does not open as it is, and its key with it, and goes on with the rest', async () => {
  await move(version(there, 'a'), version(here, 'a', 1));
  const { platform } = controlPlane;
  const rewrap = () => rewrapKeyrings({ platform, unreadable: new UnreadableReports(platform) });
  await rewrap();
  await owner.call('POST', `/groups/${there}/keyring/rotate`);
  await rewrap();
  expect(await owner.call('GET', `/groups/${here}/keyring`)).toMatchObject({
    body: { remaining: 1, versions: [{ version: 2 }, { version: 1, state: 'retiring', uses: 1 }] },
  });
  expect(await owner.call('GET', `/groups/${there}/keyring`)).toMatchObject({
    body: { remaining: 0, versions: [{ version: 2 }, { version: 1, state: 'retired' }] },
  });
  expect((await audited()).length).toBeGreaterThan(0);
  expect((await reveal()).body).toMatchObject({ value: 'the second' });
});
