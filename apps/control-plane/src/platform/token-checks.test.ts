import { beforeEach, describe, expect, test } from '@jest/globals';
import { mintToken, type Token } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { BoundedPool, hashingBusy } from './bounded-pool.ts';
import { TokenChecks } from './token-checks.ts';

const MINUTE_MS = 60_000;

let clock: TestClock;
/** Takes one check at a time and keeps none waiting. */
let pool: BoundedPool;
let checks: TokenChecks;
let token: Token;
let hash: string;
beforeEach(async () => {
  clock = createClock();
  pool = new BoundedPool({ concurrency: 1, queued: 0, refusal: hashingBusy });
  checks = new TokenChecks(clock, pool);
  token = mintToken('session', crypto.randomUUID());
  hash = await hashTokenSecret(token.secret, 1);
});

/** What a check comes to while the pool has no place. */
async function withoutHashing(check: () => Promise<boolean>): Promise<unknown> {
  const held = Promise.withResolvers<void>();
  const work = pool.run(() => held.promise);
  const outcome = await check().catch((error: unknown) => error);
  held.resolve();
  await work;
  return outcome;
}

const busy = expect.objectContaining({ code: 'hashing.busy' });

describe('a token’s check', () => {
  test('is shared by all that ask at once', async () => {
    const asked = Array.from({ length: 100 }, () => checks.matches(token, hash));
    expect(new Set(await Promise.all(asked))).toEqual(new Set([true]));
  });

  test('is remembered for a minute after its last use', async () => {
    await checks.matches(token, hash);
    for (let use = 1; use <= 3; use += 1) {
      clock.advance(MINUTE_MS - 1);
      expect(await withoutHashing(() => checks.matches(token, hash))).toBe(true);
    }
    clock.advance(MINUTE_MS);
    expect(await withoutHashing(() => checks.matches(token, hash))).toEqual(busy);
  });

  test('is of that secret and that hash only', async () => {
    await checks.matches(token, hash);
    const other = await hashTokenSecret(token.secret, 1);
    expect(await withoutHashing(() => checks.matches(token, other))).toEqual(busy);
    const forged = mintToken('session', token.id);
    expect(await withoutHashing(() => checks.matches(forged, hash))).toEqual(busy);
    expect(await checks.matches(forged, hash)).toBe(false);
  });

  test('that did not match, or could not be made, is made again', async () => {
    const forged = mintToken('session', token.id);
    expect(await checks.matches(forged, hash)).toBe(false);
    expect(await withoutHashing(() => checks.matches(forged, hash))).toEqual(busy);
    expect(await withoutHashing(() => checks.matches(token, hash))).toEqual(busy);
    expect(await checks.matches(token, hash)).toBe(true);
  });

  test('that is made alone hashes, whatever is remembered, and is not remembered', async () => {
    await checks.matches(token, hash);
    expect(await withoutHashing(() => checks.matchesAlone(token, hash))).toEqual(busy);
    checks.forget(token);
    expect(await checks.matchesAlone(token, hash)).toBe(true);
    expect(await withoutHashing(() => checks.matches(token, hash))).toEqual(busy);
  });

  test('is remembered from its beginning, and not once it has failed', async () => {
    expect(checks.remembers(token)).toBe(false);
    const check = checks.matches(token, hash);
    expect(checks.remembers(token)).toBe(true);
    expect(checks.remembers(mintToken('session', token.id))).toBe(false);
    await check;
    expect(checks.remembers(token)).toBe(true);
    const forged = mintToken('session', token.id);
    await checks.matches(forged, hash);
    expect(checks.remembers(forged)).toBe(false);
  });

  test('that is forgotten is made again', async () => {
    await checks.matches(token, hash);
    checks.forget(token);
    expect(await withoutHashing(() => checks.matches(token, hash))).toEqual(busy);
  });
});
