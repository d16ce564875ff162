import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { TakenLease, TakeLeaseBody } from '@sallyport/contract';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  importEncryptionPublicKey,
} from '@sallyport/crypto/encryption-key';
import { sealLeaseValue } from '@sallyport/crypto/lease-value';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import { KeyMemory } from '../host/key-memory.ts';
import { silentLog } from '../log.ts';
import { Leases, type Lease, type Lent } from './leases.ts';

const asked = {
  secret: 'db',
  application: { listener: '/run/agent.sock', pid: null, uid: null, gid: null },
  requestId: 'request',
};

const encryptionKey = await importEncryptionKey(await generateEncryptionJwk());
const recipient = await importEncryptionPublicKey(encryptionKey.publicJwk);
let nowMs: number;
/** How much further the wall clock is. */
let pausedMs: number;
let sleeping: { untilMs: number; wake: () => void }[];
let told: string[];
let toldUsedUp: string[];
let leases: Leases;
/** What the control plane answers; by default sixty seconds and any number of uses. */
let answerWith: (body: TakeLeaseBody) => Promise<Partial<TakenLease>>;
let refusal: AgentError | undefined;
let keyMemory: KeyMemory;

beforeEach(() => {
  nowMs = 0;
  pausedMs = 0;
  sleeping = [];
  told = [];
  toldUsedUp = [];
  answerWith = async () => ({});
  refusal = undefined;
  keyMemory = KeyMemory.ordinary();
  leases = new Leases({
    identity: { encryptionKey },
    log: silentLog,
    keyMemory,
    clock: {
      now: () => nowMs + pausedMs,
      monotonic: () => nowMs,
      sleep: async (ms, signal) =>
        new Promise((resolve) => {
          sleeping.push({ untilMs: nowMs + ms, wake: resolve });
          signal?.addEventListener('abort', () => resolve(), { once: true });
        }),
    },
    controlPlane: {
      takeLease: async (body) => ({
        ttlSeconds: 60,
        expiresAt: '',
        lastsUntil: '',
        version: 1,
        maxUses: null,
        value: await sealLeaseValue(body.id, Buffer.from('value'), recipient),
        ...(await answerWith(body)),
      }),
      renewLease: async () => {
        if (refusal !== undefined) throw refusal;
        return { ttlSeconds: 60, expiresAt: 'later', lastsUntil: '' };
      },
      giveBackLease: async (id, { usedUp }) => {
        told.push(id);
        if (usedUp) toldUsedUp.push(id);
      },
    },
  });
  // What was held before a start is over.
  expect(leases.isForgetful).toBe(true);
  leases.remembered();
});

/** Lets time pass, and what slept until then wake. */
async function pass(ms: number): Promise<void> {
  nowMs += ms;
  for (const { untilMs, wake } of sleeping) if (untilMs <= nowMs) wake();
  await new Promise((resolve) => setImmediate(resolve));
}

const takeAt = async (listener: string) =>
  leases.take({ ...asked, application: { ...asked.application, listener } });
const textOf = ({ value }: Lent) => Buffer.from(value).toString();
const refusalOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error instanceof AgentError ? error.code : error;
  }
};
/** What a lease is held as, which its type hides. */
const held = z.object({ sealed: z.instanceof(Uint8Array) });

describe('a lease', () => {
  test('is asked for when a program asks, read as often as it may be, and named to the control plane', async () => {
    const lent = await leases.take(asked);
    expect(textOf(lent)).toBe('value');
    expect(textOf(leases.read(lent.lease.id))).toBe('value');
    expect([lent.lease.usesLeft, leases.find(lent.lease.id).usesLeft]).toEqual([null, null]);
    expect(leases.named()).toEqual([lent.lease.id]);
  });

  test('[SG-32] is over at its end, whether its timer came or not, counted from when it was asked for', async () => {
    answerWith = async () => {
      await pass(20_000);
      return {};
    };
    const { lease } = await leases.take(asked);
    nowMs = 59_999;
    expect(textOf(leases.read(lease.id))).toBe('value');
    nowMs = 60_000;
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.expired');
  });

  test('[F-08] [SG-32] is over once either clock says so, as after a pause of the whole machine', async () => {
    const { lease } = await leases.take(asked);
    pausedMs = 59_999;
    expect(textOf(leases.read(lease.id))).toBe('value');
    pausedMs = 60_000;
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.expired');
    expect(leases.named()).toEqual([]);
  });

  test('[F-08] [SG-06] that ended in such a pause is in nobody’s way, and not held from the next pull on', async () => {
    for (let taken = 0; taken < 64; taken += 1) await leases.take(asked);
    pausedMs = 60_000;
    const { lease } = await leases.take(asked);
    expect(leases.named()).toEqual([lease.id]);
    pausedMs = 120_000;
    expect(leases.named()).toEqual([]);
  });

  test('[SG-06] leaves nothing held once its time is up, though nobody asks for it', async () => {
    const { lease } = await leases.take(asked);
    await pass(60_000);
    expect(leases.named()).toEqual([]);
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.expired');
  });

  test('[SG-33] is overwritten at its end', async () => {
    const ends = [
      () => pass(60_000),
      async ({ id }: Lease) => leases.giveBack(id),
      async ({ id }: Lease) => leases.end([id]),
    ];
    for (const end of ends) {
      const { lease } = await leases.take(asked);
      const { sealed } = held.parse(leases.find(lease.id));
      expect(sealed.some(Boolean)).toBe(true);
      await end(lease);
      expect(sealed.some(Boolean)).toBe(false);
    }
  });

  test('that is renewed lasts until its new end', async () => {
    const { lease } = await leases.take(asked);
    await pass(50_000);
    const renewed = await leases.renew(lease.id, { ttlSeconds: undefined, requestId: 'r' });
    expect(renewed.expiresAt).toBe('later');
    await pass(59_999);
    expect(textOf(leases.read(lease.id))).toBe('value');
    await pass(1);
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.expired');
  });

  test('whose end the control plane tells when it is to be renewed is forgotten, and no other', async () => {
    const { lease } = await leases.take(asked);
    const renewing = async (id: string) => leases.renew(id, { ttlSeconds: 1, requestId: 'r' });
    refusal = new AgentError('link.reset', 'lost', { retryable: true });
    await expect(renewing(lease.id)).rejects.toMatchObject({ code: 'lease.unavailable' });
    await expect(renewing(randomUUID())).rejects.toMatchObject({ code: 'lease.not_found' });
    expect(textOf(leases.read(lease.id))).toBe('value');
    refusal = new AgentError('lease.ended', 'ended');
    await expect(renewing(lease.id)).rejects.toMatchObject({ code: 'lease.ended' });
    expect(leases.named()).toEqual([]);
  });

  test('[SG-33] is sealed under another key after a wipe, which overwrites the one before', async () => {
    const keys: Uint8Array[] = [];
    const make = keyMemory.make.bind(keyMemory);
    keyMemory.make = () => keys[keys.push(make()) - 1] ?? Buffer.of();
    await leases.take(asked);
    leases.wipe();
    expect(keys.map((key) => key.some(Boolean))).toEqual([false]);
    leases.remembered();
    await leases.take(asked);
    expect(keys).toHaveLength(2);
  });

  test('[SG-27] for one use is given back with the value that it brought', async () => {
    answerWith = async () => ({ maxUses: 1 });
    const { lease } = await leases.take(asked);
    expect(lease.usesLeft).toBe(0);
    expect({ told, toldUsedUp }).toEqual({ told: [lease.id], toldUsedUp: [lease.id] });
    expect(leases.named()).toEqual([]);
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.used_up');
  });

  test('[SG-27] for two uses is read once more, and not again', async () => {
    answerWith = async () => ({ maxUses: 2 });
    const { lease } = await leases.take(asked);
    expect(leases.read(lease.id).lease.usesLeft).toBe(0);
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.used_up');
  });

  test('that is given back is told of and forgotten, unlike one that was never there', async () => {
    const { lease } = await leases.take(asked);
    leases.giveBack(lease.id);
    expect({ told, toldUsedUp }).toEqual({ told: [lease.id], toldUsedUp: [] });
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.ended');
    expect(refusalOf(() => leases.giveBack(lease.id))).toBe('lease.ended');
    expect(refusalOf(() => leases.read(randomUUID()))).toBe('lease.not_found');
  });

  test('that the control plane ended is forgotten, and told once as news', async () => {
    const { lease } = await leases.take(asked);
    expect(leases.end([lease.id])).toBe(true);
    expect(leases.end([lease.id])).toBe(false);
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.ended');
  });

  test('that was ended while its value was on its way is refused', async () => {
    answerWith = async ({ id }) => {
      expect(leases.named()).toEqual([id]);
      expect(leases.end([id])).toBe(true);
      return {};
    };
    await expect(leases.take(asked)).rejects.toMatchObject({ code: 'lease.ended' });
    expect(leases.named()).toEqual([]);
  });

  test('is held no more after a wipe, nor is one that was on its way', async () => {
    const { lease } = await leases.take(asked);
    let onItsWay = '';
    answerWith = async ({ id }) => {
      onItsWay = id;
      leases.wipe();
      return {};
    };
    await expect(leases.take(asked)).rejects.toMatchObject({ code: 'lease.ended' });
    expect(told).toEqual([onItsWay]);
    expect(refusalOf(() => leases.read(lease.id))).toBe('lease.ended');
  });

  test('[SG-06] is taken once the control plane has ended those of before, and not at all while it does not hear of it', async () => {
    leases.wipe();
    expect(leases.isForgetful).toBe(true);
    const early = leases.take(asked);
    await new Promise(setImmediate);
    leases.wipe();
    leases.remembered();
    expect(textOf(await early)).toBe('value');
    leases.wipe();
    const late = leases.take(asked).catch((error: unknown) => error);
    await pass(5_000);
    expect(await late).toMatchObject({ code: 'lease.unavailable' });
  });

  test('of one place leave room for those of another', async () => {
    for (let at = 0; at < 64; at += 1) await takeAt('/run/greedy.sock');
    await expect(takeAt('/run/greedy.sock')).rejects.toMatchObject({ code: 'lease.too_many' });
    expect(textOf(await takeAt('/run/other.sock'))).toBe('value');
  });

  test('of one place leave room also where all ask before the control plane is reached', async () => {
    leases.wipe();
    const taken = Array.from({ length: 65 }, () => leases.take(asked));
    const elsewhere = takeAt('/run/other.sock');
    leases.remembered();
    const outcomes = await Promise.allSettled(taken);
    expect(textOf(await elsewhere)).toBe('value');
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(64);
    expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'lease.too_many' } });
  });

  test('whose reply is lost, or whose value is none or another lease’s, is given back', async () => {
    answerWith = async () => {
      throw new AgentError('link.reset', 'lost', { retryable: true });
    };
    await expect(leases.take(asked)).rejects.toMatchObject({ code: 'lease.unavailable' });
    const others = await sealLeaseValue(randomUUID(), Buffer.from('value'), recipient);
    for (const value of ['no.lease', others]) {
      answerWith = async () => ({ value });
      await expect(leases.take(asked)).rejects.toMatchObject({ code: 'lease.unreadable' });
    }
    expect(told).toHaveLength(3);
    answerWith = async () => Promise.reject(new AgentError('secret.not_found', 'there is none'));
    await expect(leases.take(asked)).rejects.toMatchObject({ code: 'secret.not_found' });
    expect(told).toHaveLength(3);
  });
});
