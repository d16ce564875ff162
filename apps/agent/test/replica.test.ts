import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Bundle } from '@sallyport/contract';
import { generateDeliveryKey, sealDeliveryKey } from '@sallyport/crypto/delivery-key';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  importEncryptionPublicKey,
  type EncryptionKey,
} from '@sallyport/crypto/encryption-key';
import { importVerificationKey } from '@sallyport/crypto/signing-key';
import { ValueCache } from '../src/cache/value-cache.ts';
import { KeyMemory } from '../src/host/key-memory.ts';
import { Replica } from '../src/sync/replica.ts';
import { DoubleGroup } from './double/group.ts';

let group: DoubleGroup;
let encryptionKey: EncryptionKey;
let cache: ValueCache;
let replica: Replica;
let deliveryKey: string;
let kept: Uint8Array[];

/** The group's delivery key, as it is sent to this agent. */
const keyOf = async ({ delivery }: DoubleGroup): Promise<string> =>
  sealDeliveryKey(delivery, await importEncryptionPublicKey(encryptionKey.publicJwk));

const take = async (bundle: Bundle, key: string | undefined = deliveryKey) =>
  replica.take({ bundle, deliveryKey: key });

beforeEach(async () => {
  group = await DoubleGroup.create();
  encryptionKey = await importEncryptionKey(await generateEncryptionJwk());
  const { signer } = group;
  const verificationKeyring = new Map([
    [signer.thumbprint, importVerificationKey(signer.publicJwk)],
  ]);
  deliveryKey = await keyOf(group);
  cache = new ValueCache(group.id);
  kept = [];
  const keyMemory = KeyMemory.ordinary();
  const adopt = keyMemory.adopt.bind(keyMemory);
  keyMemory.adopt = (key) => kept[kept.push(adopt(key)) - 1] ?? key;
  replica = new Replica({ group, encryptionKey, verificationKeyring }, cache, keyMemory);
});

test('[SG-13] a revision that was pulled while a newer one was imported does not take its place', async () => {
  group.putSecret('live', 'value', 'deny');
  await replica.take({ bundle: await group.bundle(), deliveryKey });
  group.putSecret('db', 'pulled');
  const pulled = await group.bundle();
  group.putSecret('db', 'imported');
  const { durable } = await group.bundle();

  await Promise.all([
    replica.take({ bundle: pulled, deliveryKey: undefined }),
    replica.restore({ durable, deliveryKey }),
  ]);
  expect(cache.revision()).toMatchObject({ revision: group.revision, complete: false });
  // It asks for all of it.
  expect(replica.position().revision).toBe(0);
  expect(await replica.restore({ durable, deliveryKey })).toBeUndefined();
});

test('[F-04] a revision below the newest that ran, or below the mark, is refused', async () => {
  group.putSecret('db', 'old');
  const old = await group.bundle();
  group.putSecret('db', 'new');
  const { revision } = group;
  await take(await group.bundle());
  replica.raiseFloor(1);
  await expect(take(old)).rejects.toMatchObject({ code: 'bundle.older' });
  expect(await take(await group.bundle())).toBeUndefined();
  replica.raiseFloor(revision + 1);
  await expect(take(await group.bundle())).rejects.toMatchObject({ code: 'bundle.older' });
  expect(cache.revision()).toMatchObject({ revision });
});

test('[A7-09] a bundle of an epoch that is over is refused, however new, and one of the next taken', async () => {
  await take(await group.bundle());
  const over = group.delivery;
  group.startEpoch();
  await take(await group.bundle(), await keyOf(group));
  // Of the same revision.
  group.delivery = generateDeliveryKey(group.id, 3);
  expect(await take(await group.bundle(), await keyOf(group))).toMatchObject({ epoch: 3 });
  expect(kept.map((key) => Buffer.from(key))).not.toContainEqual(Buffer.from(over.key));
  group.delivery = over;
  group.putSecret('db', 'value');
  await expect(take(await group.bundle())).rejects.toMatchObject({ code: 'bundle.older' });
});

test('a bundle whose durable part knows of no live one is refused with one', async () => {
  group.putSecret('live', 'value', 'deny');
  const durable = await group.sealPart('durable', false);
  const bundle = { durable, live: await group.sealPart('live', true) };
  await expect(take(bundle)).rejects.toMatchObject({ code: 'bundle.incomplete' });
});

test('[SG-33] a wipe overwrites the delivery key, and what is taken after it is told to be anew', async () => {
  const bundle = await group.bundle();
  expect(await take(bundle)).toMatchObject({ isAnew: false });
  replica.wipe();
  expect(kept.map((key) => key.some(Boolean))).toEqual([false]);
  expect([replica.position(), cache.revision()]).toEqual([{ revision: 0, epoch: 0 }, undefined]);
  const withoutKey = replica.take({ bundle, deliveryKey: undefined });
  await expect(withoutKey).rejects.toMatchObject({ code: 'bundle.no_delivery_key' });
  expect(await take(bundle)).toMatchObject({ isAnew: true });
  for (const value of ['first', 'second']) {
    group.putSecret('db', value);
    expect(await take(await group.bundle())).toMatchObject({ isAnew: false });
  }
});

describe('[SG-09] after a move', () => {
  let before: Bundle;
  beforeEach(async () => {
    for (let count = 0; count < 3; count += 1) group.startEpoch();
    deliveryKey = await keyOf(group);
    before = await group.bundle();
    await take(before);
  });

  test('the first bundle of the new group is taken, however old, and the one before held until then', async () => {
    const next = await DoubleGroup.create('plant-8');
    // The same control plane.
    Object.assign(next, { signer: group.signer });
    replica.moveTo(next);
    expect(replica.position()).toEqual({ revision: 0, epoch: 0 });
    expect(cache.revision()).toMatchObject({ revision: group.revision });
    const withoutKey = replica.take({ bundle: before, deliveryKey: undefined });
    await expect(withoutKey).rejects.toMatchObject({ code: 'bundle.no_delivery_key' });
    const withOther = take(before, await keyOf(group));
    await expect(withOther).rejects.toMatchObject({ code: 'delivery_key.unreadable' });
    await take(await next.bundle(), await keyOf(next));
    expect(replica.position()).toEqual({ revision: next.revision, epoch: 1 });
    next.putSecret('db', 'value');
    expect(
      await replica.take({ bundle: await next.bundle(), deliveryKey: undefined }),
    ).toBeDefined();
  });

  test('a bundle of the old group that was being opened is not taken', async () => {
    group.putSecret('db', 'value');
    const [bundle, next] = [await group.bundle(), await DoubleGroup.create('plant-8')];
    const taking = take(bundle);
    replica.moveTo(next);
    expect(await taking).toBeUndefined();
  });
});
