import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { PROTOCOL } from '@sallyport/contract';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  importEncryptionPublicKey,
} from '@sallyport/crypto/encryption-key';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { DesiredState } from './desired-state.ts';
import { Lending } from './lending.ts';

const lease = { ttlSeconds: 60, maxTtlSeconds: 100, maxUses: null, windows: [] };
const requestId = 'request';
const START_MS = Date.UTC(2030, 0, 1);

let recipient: CryptoKey;
let state: DesiredState;
let clock: TestClock;
let lending: Lending;
beforeAll(async () => {
  const { publicJwk } = await importEncryptionKey(await generateEncryptionJwk());
  recipient = await importEncryptionPublicKey(publicJwk);
});
beforeEach(async () => {
  state = await DesiredState.create();
  state.replace([{ kind: 'secret', name: 'db', value: 'value', lease }]);
  clock = createClock(START_MS);
  lending = new Lending(state, recipient, clock);
});

const application = { listener: '/run/agent.sock', pid: null, uid: null, gid: null };
const take = (id: string, secret = 'db') =>
  lending.take({ protocol: PROTOCOL, id, secret, application, requestId });
const taken = async () => {
  const id = randomUUID();
  await take(id);
  return id;
};
const renew = (id: string) => lending.renew(id, { protocol: PROTOCOL, requestId });
const refusal = (code: string, status: number): unknown =>
  expect.objectContaining({ code, status });

describe('[SG-45] a lease of a values file', () => {
  test('is renewed where that gains a tenth of its time, or the last of it, and stays as it is otherwise', async () => {
    const id = await taken();
    const lasts: number[] = [];
    for (const ms of [30_000, 5_999, 1, 3_999, 1]) {
      clock.advance(ms);
      lasts.push(Date.parse(renew(id).expiresAt) - START_MS);
    }
    expect(lasts).toEqual([90_000, 90_000, 96_000, 96_000, 100_000]);
    clock.advance(1);
    expect(() => renew(id)).toThrow(refusal('lease.not_renewable', 409));
  });

  test('that is taken again, since the reply was lost, is the same one, and lasts no longer', async () => {
    const id = randomUUID();
    const { expiresAt, lastsUntil } = await take(id);
    clock.advance(10_000);
    expect(await take(id)).toMatchObject({ ttlSeconds: 50, expiresAt, lastsUntil, version: 1 });
  });

  test('is not taken again under its id for another secret or value, nor once it is over', async () => {
    const db = { kind: 'secret', name: 'db', value: 'value', lease } as const;
    state.replace([db, { ...db, name: 'other' }]);
    const [id, over] = [await taken(), await taken()];
    lending.giveBack(over);
    await expect(take(id, 'other')).rejects.toEqual(refusal('lease.ended', 409));
    await expect(take(over)).rejects.toEqual(refusal('lease.ended', 409));
    state.replace([{ ...db, value: 'changed' }]);
    await expect(take(id)).rejects.toEqual(refusal('lease.ended', 409));
    expect(await take(randomUUID())).toMatchObject({ version: 2 });
  });

  test('is told apart from one that never was, once it is over', async () => {
    const id = await taken();
    lending.giveBack(id);
    lending.giveBack(id);
    expect(() => renew(id)).toThrow(refusal('lease.ended', 409));
    expect(() => renew(randomUUID())).toThrow(refusal('lease.not_found', 404));
    expect(() => lending.giveBack(randomUUID())).toThrow(refusal('lease.not_found', 404));
  });

  test('is forgotten when another is taken after its time, and not before', async () => {
    const over = await taken();
    clock.advance(59_000);
    const held = await taken();
    clock.advance(1_000);
    expect(() => renew(over)).toThrow(refusal('lease.ended', 409));
    await taken();
    expect(() => renew(over)).toThrow(refusal('lease.not_found', 404));
    expect(renew(held)).toMatchObject({ ttlSeconds: 59 });
  });

  test('is over for its agent when it was given back, or its secret is gone', async () => {
    const [back, held] = [await taken(), await taken()];
    lending.giveBack(back);
    expect(lending.endedAmong([back, held, randomUUID()])).toEqual([back]);
    state.replace([]);
    expect(lending.endedAmong([back, held])).toEqual([back, held]);
  });
});
