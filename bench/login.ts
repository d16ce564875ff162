import { pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { TOKEN_HASH_ITERATIONS } from '@sallyport/crypto/token-hash';
import { HttpsLink } from '@sallyport/tls/https-link';
import { z } from 'zod';
import { monotonicMs } from './clock.ts';
import { startInstallation, type Installation } from './installation.ts';
import { PacedCallers } from './paced-callers.ts';
import { percentile } from './percentile.ts';
import { atLeast, atMost, describeMachine, type BenchResult } from './result.ts';

/** A hundred reads a second by somebody whose session was checked long ago. */
const READERS = { callers: 8, everyMs: 80 };
/** Keys that are shown at a time: one is checked, and the next waits. */
const CLIENTS = 2;
/** In turns with raw hashes, so that what else the machine does meets both. */
const ROUNDS = 5;
const derive = promisify(pbkdf2);
const createdKey = z.object({ key: z.string() });

type Found = { checked: number; hashed: number; meanwhile: number[] };

/**
 * Shows API keys for the first time, so that each is hashed, and times how many are checked in a second beside
 * raw PBKDF2 on as many threads (one), and how long other requests take meanwhile.
 */
export async function login(size: number, say: (line: string) => void): Promise<BenchResult> {
  say('starting a control plane');
  const installation = await startInstallation();
  let found: Found;
  try {
    found = await timeLogins(installation, size, say);
  } finally {
    await installation.stop();
  }
  const { checked, hashed, meanwhile } = found;
  return {
    benchmark: `first use of ${size} API keys while ${(READERS.callers * 1000) / READERS.everyMs} a second read`,
    machine: describeMachine(),
    samples: meanwhile.length,
    goals: [
      atLeast(
        'keys checked',
        { value: checked, unit: '/s', yardstick: hashed },
        Math.round(hashed * 90) / 100,
      ),
      atMost('reads meanwhile, p99', { value: percentile(meanwhile, 0.99), unit: 'ms' }, 25),
    ],
  };
}

async function timeLogins(
  { call, operatorUrl, caCertificate }: Installation,
  size: number,
  say: (line: string) => void,
): Promise<Found> {
  await call('POST', '/groups', { name: 'bench' });
  say(`making ${size} keys`);
  const roles = [{ role: 'viewer', group: 'bench' }];
  const keys: string[] = [];
  for (let index = 0; index < size; index += 1)
    keys.push(
      createdKey.parse(await call('POST', '/api-keys', { name: `key-${index}`, roles })).key,
    );
  const link = new HttpsLink({ baseUrl: operatorUrl, ca: caCertificate });
  const readers = PacedCallers.start(READERS, () => call('GET', '/groups/bench'));
  try {
    return await takeTurns(keys, link, readers, say);
  } finally {
    await readers.stop();
    link.close();
  }
}

async function takeTurns(
  keys: readonly string[],
  link: HttpsLink,
  readers: PacedCallers,
  say: (line: string) => void,
): Promise<Found> {
  const share = Math.ceil(keys.length / ROUNDS);
  let [checkSeconds, hashSeconds] = [0, 0];
  const meanwhile: number[] = [];
  for (let first = 0; first < keys.length; first += share) {
    const shown = keys.slice(first, first + share);
    readers.take();
    const took = await timeFirstUses(link, shown);
    meanwhile.push(...readers.take());
    const tookRaw = await timeRawHashes(shown);
    checkSeconds += took;
    hashSeconds += tookRaw;
    const [checked, hashed] = [shown.length / took, shown.length / tookRaw];
    say(`${checked.toFixed(1)} keys/s, ${hashed.toFixed(1)} raw hashes/s`);
  }
  return { checked: keys.length / checkSeconds, hashed: keys.length / hashSeconds, meanwhile };
}

async function timeFirstUses(link: HttpsLink, keys: readonly string[]): Promise<number> {
  const startedAt = monotonicMs();
  let next = 0;
  const client = async () => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      const headers = { authorization: `Bearer ${key}` };
      const { status } = await link.request('GET', '/api/v1/me', { headers });
      if (status !== 200) throw new Error(`a key was answered with ${status}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return (monotonicMs() - startedAt) / 1000;
}

/** The yardstick: what a check is at its heart, with the same readers beside it. */
async function timeRawHashes(keys: readonly string[]): Promise<number> {
  const startedAt = monotonicMs();
  for (const key of keys) await derive(key, randomBytes(16), TOKEN_HASH_ITERATIONS, 64, 'sha512');
  return (monotonicMs() - startedAt) / 1000;
}
