import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import { rotateDueKeyrings } from '../../src/keyrings/index.ts';
import { RootKeys } from '../../src/platform/root-keys.ts';
import { rotateRoot } from '../../src/root-rotation/rotate-root.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { OperatorClient } from '../operator-client.ts';

const old = randomBytes(32);
const next = randomBytes(32);

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeEach(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER, rootKeys: [old, next] });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  expect(await newGroup('plant-7')).toBe(201);
});
afterEach(() => controlPlane.end());

/** With the same Idempotency-Key each time. */
const newGroup = async (name: string) =>
  (await owner.call('POST', '/groups', { name }, { 'idempotency-key': 'group' })).status;

const rotate = () =>
  rotateRoot(
    { ...controlPlane.platform, stopping: new AbortController().signal },
    new RootKeys([next, old]),
    next,
  );

test.each<[string, () => Promise<unknown>, unknown]>([
  [
    'the rotation of a keyring',
    async () => (await owner.call('POST', '/groups/plant-7/keyring/rotate')).status,
    200,
  ],
  [
    'one by policy',
    () =>
      rotateDueKeyrings(controlPlane.platform, { rotateAfterDays: 1, rotateAfterEncryptions: 0 }),
    undefined,
  ],
  [
    'a POST whose Idempotency-Key was used the day before',
    async () => {
      await asAdmin(controlPlane.databaseUrl, (client) =>
        client.query(`UPDATE idempotency_keys SET created_at = created_at - interval '1 day'`),
      );
      return newGroup('plant-8');
    },
    201,
  ],
])('[A7-10] %s waits for a rotation of the root key, and both go through', async (_, act, done) => {
  const { databaseUrl } = controlPlane;
  let both: Promise<unknown> | undefined;
  // The rotation has the installation then, and nothing that it seals anew.
  await whileHeld(databaseUrl, 'SELECT FROM signing_keys FOR UPDATE', async () => {
    const rotating = rotate();
    await lockWaits(databaseUrl);
    both = Promise.all([rotating, act()]);
    await lockWaits(databaseUrl, 2);
  });
  expect(await both).toEqual([expect.objectContaining({ sealedAnew: expect.any(Number) }), done]);
});

test('[A7-10] a rotation waits for who seals with a key of a group and notes then that it has acted', async () => {
  const { databaseUrl } = controlPlane;
  const rotation = await asAdmin(databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('UPDATE keyring_versions SET encryptions = encryptions + 1');
    const rotating = rotate();
    await lockWaits(databaseUrl);
    await client.query('UPDATE idempotency_keys SET acted = true');
    await client.query('COMMIT');
    return rotating;
  });
  expect(rotation.sealedAnew).toBeGreaterThan(0);
});

test('[A7-10] a rotation has its turn before whoever would seal after it, however many follow each other', async () => {
  const { databaseUrl } = controlPlane;
  const keyed = { 'idempotency-key': 'later' };
  let both: Promise<unknown> | undefined;
  await whileHeld(databaseUrl, 'SELECT FROM installations FOR SHARE', async () => {
    const rotating = rotate();
    await lockWaits(databaseUrl);
    both = Promise.all([rotating, owner.call('POST', '/groups', { name: 'plant-8' }, keyed)]);
    await lockWaits(databaseUrl, 2);
  });
  const [rotation, made] = [{ sealedAnew: expect.any(Number) }, { status: 201 }];
  expect(await both).toMatchObject([rotation, made]);
});

test('[A7-10] a rotation that cannot have its turn says so in its own words, and changes nothing', async () => {
  const { databaseUrl } = controlPlane;
  await whileHeld(databaseUrl, 'SELECT FROM installations FOR SHARE', async () => {
    await expect(rotate()).rejects.toThrow(/nothing was sealed anew.*Run rotate-root again/s);
  });
  expect((await rotate()).sealedAnew).toBeGreaterThan(0);
}, 30_000);
