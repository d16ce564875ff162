import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { rewrapKeyrings, UnreadableReports } from '../../src/keyrings/index.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { OperatorClient } from '../operator-client.ts';

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

async function audited(): Promise<unknown[]> {
  return sql(`SELECT e.outcome, e.actor_kind AS actor, g.name AS group FROM audit_events e
    JOIN groups g ON g.id = e.group_id WHERE e.action = 'envelope:unreadable' AND g.name = '${here}'`);
}

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
  expect(refused).toMatchObject({ status: 500, body: { code: 'envelope.unreadable' } });
  expect(refused.text).not.toMatch(/second|of here|of there/);
  expect(await audited()).toEqual([{ outcome: 'refused', actor: 'operator', group: here }]);
  await reveal();
  expect(await audited()).toHaveLength(1);
  expect((await owner.call('POST', `/groups/${here}/secrets/b/reveal`, {})).status).toBe(200);
});

test('[F-16] a bundle with a moved value is not built, which is audited; a write that mends the secret lets it be built', async () => {
  const agent = await agentIn(owner, here, controlPlane);
  await move(version(there, 'a'), version(here, 'a'));
  await owner.call('PUT', `/groups/${here}/secrets/d`, { value: 'next revision' });
  expect((await agent.pullRaw()).status).toBe(500);
  expect(await audited()).toEqual([{ outcome: 'refused', actor: 'system', group: here }]);
  await owner.call('PUT', `/groups/${here}/secrets/a`, { value: 'mended' });
  expect(await agent.open(await agent.pull())).toMatchObject({ a: 'mended', d: 'next revision' });
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
