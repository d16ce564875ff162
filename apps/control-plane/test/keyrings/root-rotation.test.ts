import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { seal } from '@sallyport/crypto/envelope';
import { rootKeyFingerprint } from '@sallyport/crypto/root-key';
import { asAdmin } from '@sallyport/testkit/database';
import { exchangePlace } from '../../src/idempotency/index.ts';
import { PRISMA_DIRECTORY, readSchema } from '../../src/platform/prisma-folder.ts';
import { RootKeys, WrongRootKey } from '../../src/platform/root-keys.ts';
import { rotateRoot } from '../../src/root-rotation/rotate-root.ts';
import { sealedUnderRoot } from '../../src/root-rotation/sealed-under-root.store.ts';
import { classifiedColumns } from '../../src/system/classified-columns.ts';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';
import { agentIn } from '../group-agents.ts';
import { lockWaits, whileHeld } from '../lock-waits.ts';
import { field, OperatorClient } from '../operator-client.ts';
import { unreadableIn } from '../unreadable-events.ts';

let controlPlane: TestControlPlane;
let owner: OperatorClient;
let old: Uint8Array;
let next: Uint8Array;
beforeEach(async () => {
  controlPlane = await startControlPlane();
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
  await owner.call('POST', '/groups', { name: 'plant-7' });
  await owner.call('PUT', '/groups/plant-7/secrets/s', { value: 'value' });
  old = controlPlane.rootKey;
  next = randomBytes(32);
});
afterEach(() => controlPlane.end());

const goOn = new AbortController().signal;

const rotate = (keys: [Uint8Array, ...Uint8Array[]], target = next) =>
  rotateRoot({ ...controlPlane.platform, stopping: goOn }, new RootKeys(keys), target);

async function startWith(...rootKeys: [Uint8Array, ...Uint8Array[]]): Promise<TestControlPlane> {
  return startControlPlane({ databaseUrl: controlPlane.databaseUrl, rootKeys });
}

async function rows(): Promise<unknown[]> {
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const { rows: found } = await client.query(
      `SELECT wrapped_key AS sealed FROM keyring_versions
        UNION ALL SELECT sealed_private_key FROM signing_keys
        UNION ALL SELECT sealed_private_key FROM certificate_authorities
        UNION ALL SELECT sealed_private_key FROM audit_signing_keys`,
    );
    return found;
  });
}

test('[A7-10] after a rotation the new root key opens everything and the old one nothing: it starts no control plane', async () => {
  const { sealedAnew, fingerprint } = await rotate([next, old]);
  expect({ sealedAnew, fingerprint }).toEqual({
    sealedAnew: (await rows()).length,
    fingerprint: rootKeyFingerprint(next),
  });
  const after = await startWith(next);
  const client = await OperatorClient.signedIn(after.operatorApp);
  const revealed = await client.call('POST', '/groups/plant-7/secrets/s/reveal', {});
  expect(field(revealed.body, 'value')).toBe('value');
  const agent = await agentIn(client, 'plant-7', after);
  expect(await agent.open(await agent.pull())).toEqual({ s: 'value' });
  await expect(startWith(old)).rejects.toThrow(WrongRootKey);
  await after.end();
});

test('[A7-10] replicas that know both keys go on through a rotation, before and after it', async () => {
  const [first, second] = [await startWith(next, old), await startWith(old, next)];
  await rotate([next, old]);
  for (const [name, { operatorApp }] of Object.entries({ first, second })) {
    const client = await OperatorClient.signedIn(operatorApp);
    expect((await client.call('POST', '/groups', { name })).status).toBe(201);
    await client.call('PUT', `/groups/${name}/secrets/s`, { value: 'value' });
  }
  const onlyNew = await startWith(next);
  const client = await OperatorClient.signedIn(onlyNew.operatorApp);
  for (const name of ['first', 'second', 'plant-7'])
    expect((await client.call('POST', `/groups/${name}/secrets/s/reveal`, {})).status).toBe(200);
  for (const replica of [first, second, onlyNew]) await replica.end();
});

test('[A7-10] a replica that knows the old key alone seals nothing with it after the rotation', async () => {
  await rotate([next, old]);
  const before = await rows();
  expect(await owner.call('POST', '/groups', { name: 'late' })).toMatchObject({
    status: 503,
    body: {
      code: 'server.unavailable',
      detail: expect.stringContaining('restart it with that key'),
    },
  });
  expect(await rows()).toEqual(before);
});

test('[A7-10] a replica that knows the old key alone says so where it is to rotate the CA', async () => {
  await rotate([next, old]);
  const prepared = await owner.call('POST', '/certificate-authorities', {});
  expect(prepared).toMatchObject({
    status: 503,
    body: { detail: expect.stringContaining('restart it with that key') },
  });
  const listed = await owner.call('GET', '/certificate-authorities');
  expect(listed.body).toMatchObject({ items: [{ state: 'active' }] });
});

test('[A7-10] [F-16] what a replica without the named root key cannot open is no tampering: it says to be restarted', async () => {
  const reveal = (client: OperatorClient) =>
    client.call('POST', '/groups/plant-7/secrets/s/reveal', {});
  await rotate([next, old]);
  expect(await reveal(owner)).toMatchObject({
    status: 503,
    body: {
      code: 'server.unavailable',
      detail: expect.stringContaining('restart it with that key'),
    },
  });
  expect(await unreadableIn(controlPlane, 'plant-7')).toEqual([]);

  const restarted = await startWith(next);
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('UPDATE keyring_versions SET wrapped_key = set_byte(wrapped_key, 40, 0)'),
  );
  const changed = await reveal(await OperatorClient.signedIn(restarted.operatorApp));
  expect(changed).toMatchObject({ status: 500, body: { code: 'envelope.unreadable' } });
  expect(await unreadableIn(controlPlane, 'plant-7')).toMatchObject([{ actor: 'operator' }]);
  await restarted.end();
});

test('[A7-10] a rotation without the key that the database names, or of a value that was changed, changes nothing', async () => {
  const before = await rows();
  await expect(rotate([next, randomBytes(32)])).rejects.toThrow(WrongRootKey);
  expect(await rows()).toEqual(before);
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query('UPDATE keyring_versions SET wrapped_key = set_byte(wrapped_key, 40, 0)'),
  );
  const changed = await rows();
  await expect(rotate([next, old])).rejects.toMatchObject({ code: 'envelope.unreadable' });
  expect(await rows()).toEqual(changed);
});

test('a rotation that is run again does nothing, and one to yet another key works', async () => {
  await rotate([next, old]);
  expect(await rotate([next, old])).toMatchObject({ sealedAnew: 0 });
  const third = randomBytes(32);
  expect((await rotate([third, next], third)).sealedAnew).toBeGreaterThan(0);
  await (await startWith(third)).end();
});

test('[A7-10] everything that the root key seals is sealed anew: the list is that of the schema', async () => {
  const columns = classifiedColumns(await readSchema(PRISMA_DIRECTORY));
  expect(sealedUnderRoot.map(({ table, column }) => `${table}.${column}`).toSorted()).toEqual(
    columns
      .filter(({ dataClass }) => dataClass === 'sealed-root')
      .map(({ table, column }) => `${table}.${column}`)
      .toSorted(),
  );
});

test('[A7-10] a rotation that is stopped in its midst changes nothing, and goes through when it is run again', async () => {
  const stopping = new AbortController();
  const before = await rows();
  const { clock, db } = controlPlane.platform;
  const keys = new RootKeys([next, old]);
  const open = keys.open.bind(keys);
  let opened = 0;
  const stoppedAtSecond = Object.assign(keys, {
    open: (...sealed: Parameters<typeof open>) => {
      opened += 1;
      if (opened === 2) stopping.abort();
      return open(...sealed);
    },
  });
  const parts = { db, clock, stopping: stopping.signal };
  await expect(rotateRoot(parts, stoppedAtSecond, next)).rejects.toThrow(/Run rotate-root again$/);
  expect(opened).toBe(2);
  expect(await rows()).toEqual(before);
  const again = await rotate([next, old]);
  expect(again.sealedAnew).toBe(before.length);
});

/** Replies that are kept for callers who are gone. */
async function keepReplies(count: number): Promise<void> {
  const ids = Array.from({ length: count }, () => randomUUID());
  const sealed = ids.map((id) => seal(old, Buffer.from('kept'), exchangePlace(id)));
  await asAdmin(controlPlane.databaseUrl, (client) =>
    client.query(
      `INSERT INTO idempotency_keys (id, principal_id, key_hash, sealed_exchange, lease, leased_at, created_at)
       SELECT id, id, id, decode(sealed, 'base64'), id, now(), now()
         FROM unnest($1::uuid[], $2::text[]) AS kept(id, sealed)`,
      [ids, sealed.map((one) => Buffer.from(one).toString('base64'))],
    ),
  );
}

/** What the kept replies are, opened with one key. */
async function repliesUnder(key: Uint8Array): Promise<string[]> {
  const keys = new RootKeys([key]);
  return asAdmin(controlPlane.databaseUrl, async (client) => {
    const { rows: kept } = await client.query<{ id: string; sealed: Buffer }>(
      'SELECT id, sealed_exchange AS sealed FROM idempotency_keys',
    );
    return kept.map(({ id, sealed }) => keys.open(sealed, exchangePlace(id)).toString());
  });
}

test('[A7-10] a rotation takes as long as it has to: 20,000 kept replies are sealed anew in one go', async () => {
  await keepReplies(20_000);
  await rotate([next, old]);
  expect(await repliesUnder(next)).toEqual(Array.from({ length: 20_000 }, () => 'kept'));
  await expect(repliesUnder(old)).rejects.toMatchObject({ code: 'envelope.unreadable' });
}, 60_000);

test('[A7-10] the key of a group that is destroyed while the root key is rotated stays destroyed', async () => {
  const { databaseUrl } = controlPlane;
  let rotating: Promise<unknown> | undefined;
  await whileHeld(databaseUrl, 'UPDATE keyring_versions SET wrapped_key = NULL', async () => {
    rotating = rotate([next, old]);
    await lockWaits(databaseUrl);
  });
  await rotating;
  const { rows: kept } = await asAdmin(databaseUrl, (client) =>
    client.query('SELECT wrapped_key FROM keyring_versions'),
  );
  expect(kept).toEqual([{ wrapped_key: null }]);
});
