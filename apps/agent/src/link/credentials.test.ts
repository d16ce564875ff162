import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateEncryptionJwk } from '@sallyport/crypto/encryption-key';
import { generateSigningJwk } from '@sallyport/crypto/signing-key';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { Issuer } from '@sallyport/tls/test/issuer';
import { silentLog } from '../log.ts';
import { importIdentity, type Identity } from '../state/identity.ts';
import { StateDirectory } from '../state/state-directory.ts';
import { givenBesides, readTrustAnchors } from '../state/trust-anchors.ts';
import { Credentials } from './credentials.ts';
import type { Trust } from './trust.ts';

const HOUR_MS = 3_600_000;
const agentId = '01890a5d-ac96-774b-bcce-b302099a8057';
const spiffeId = (id: string) => `spiffe://sallyport/group/plant-7/agent/${id}`;

/** CAs. */
let [first, second, third] = ['', '', ''];
let home: TempDirectory;
let state: StateDirectory;
let issuer: Issuer;
let identity: Identity;
let wallMs: number;
let monotonicMs: number;
beforeEach(async () => {
  home = await createTempDirectory('credentials');
  state = await StateDirectory.open(home.path);
  issuer = await Issuer.root();
  first = (await Issuer.root('CN=first')).pem;
  second = (await Issuer.root('CN=second')).pem;
  third = (await Issuer.root('CN=third')).pem;
  identity = await identityWith({});
  wallMs = Date.now();
  monotonicMs = 0;
});
afterEach(async () => {
  state[Symbol.dispose]();
  await home.remove();
});

async function identityWith(more: { givenAnchor?: string }): Promise<Identity> {
  return importIdentity({
    format: 1,
    agentId,
    name: 'host',
    group: { id: agentId, name: 'plant-7' },
    controlPlane: 'https://control-plane.test',
    trustAnchors: [first],
    verificationKeys: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), kid: 'one' }] },
    signingKey: await generateSigningJwk(),
    encryptionKey: await generateEncryptionJwk(),
    ...more,
  });
}

async function open(random = 0, from: Trust['from'] = 'enrolment'): Promise<Credentials> {
  const clock = { now: () => wallMs, monotonic: () => monotonicMs };
  const certificates = await readTrustAnchors(state, {
    ...identity,
    trustAnchors: [...identity.trustAnchors],
  });
  const trust = { from, certificates };
  return Credentials.open(
    { state, identity, trust, clock, random: () => random, log: silentLog },
    true,
  );
}

/** Good for a day from now on, as of the wall clock. */
async function certificate(id = agentId) {
  return issuer.leaf({
    names: [{ type: 'url', value: spiffeId(id) }],
    notBefore: new Date(wallMs),
    notAfter: new Date(wallMs + 24 * HOUR_MS),
  });
}

describe('a client certificate', () => {
  test('is due after half of its life by the wall clock, and by the one that does not step back', async () => {
    const credentials = await open();
    const { chain, key } = await certificate();
    await credentials.take(chain, key, wallMs);
    expect(credentials.isDue(wallMs + 12 * HOUR_MS - 1_000)).toBe(false);
    expect(credentials.isDue(wallMs + 12 * HOUR_MS)).toBe(true);
    monotonicMs = 12 * HOUR_MS - 1_000;
    expect(credentials.isDue(wallMs)).toBe(false);
    monotonicMs = 12 * HOUR_MS;
    expect(credentials.isDue(wallMs)).toBe(true);
    // Somebody set the wall clock back: it is due all the same.
    expect(credentials.isDue(wallMs - 48 * HOUR_MS)).toBe(true);
  });

  test('is due somewhat earlier on some hosts than on others', async () => {
    const { chain, key } = await certificate();
    const early = await open(1);
    await early.take(chain, key, wallMs);
    const from = (hours: number) => early.isDue(wallMs + hours * HOUR_MS);
    expect([from(10.7), from(10.9)]).toEqual([false, true]);
  });

  test('is read again after a restart, and stands as it stood', async () => {
    const { chain, key } = await certificate();
    await (await open()).take(chain, key, wallMs);
    wallMs += 12 * HOUR_MS;
    const again = await open();
    expect(again.tls.identity).toEqual({ cert: chain, key });
    expect(again.isDue(wallMs)).toBe(true);
    expect(again.usable(wallMs)).toBeDefined();
    expect(again.usable(wallMs + 12 * HOUR_MS)).toBeUndefined();
  });

  test('[F-07] of another key or another agent is not taken, and the one before stays', async () => {
    const credentials = await open();
    const own = await certificate();
    await credentials.take(own.chain, own.key, wallMs);
    const other = await certificate();
    const foreign = await certificate('01890a5d-ac96-774b-bcce-b302099a8058');
    for (const [chain, key] of [
      [other.chain, own.key],
      [foreign.chain, foreign.key],
      ['not PEM', own.key],
    ] as const)
      await expect(credentials.take(chain, key, wallMs)).rejects.toMatchObject({
        code: 'reply.unexpected',
      });
    expect(credentials.tls.identity?.cert).toBe(own.chain);
    expect((await open()).tls.identity?.cert).toBe(own.chain);
  });

  test('that cannot be kept is shown all the same', async () => {
    const credentials = await open();
    const { chain, key } = await certificate();
    // The directory is gone.
    state[Symbol.dispose]();
    await home.remove();
    await credentials.take(chain, key, wallMs);
    expect(credentials.tls.identity?.cert).toBe(chain);
    home = await createTempDirectory('credentials');
    state = await StateDirectory.open(home.path);
  });
});

describe('the CAs that are trusted', () => {
  test('are those that the control plane named last, also after a restart, and reach the link', async () => {
    const replaced: unknown[] = [];
    const credentials = await open();
    credentials.attach({ replace: (tls) => void replaced.push(tls.ca) });
    expect(credentials.tls.ca).toBe(first);
    await credentials.trust([second, third]);
    await credentials.trust([third, second]);
    expect(replaced).toEqual([`${second}\n${third}`]);
    expect((await open()).tls.ca).toBe(`${second}\n${third}`);
  });

  test.each(['file', 'system'] as const)(
    'stay as they are where they come from the %s',
    async (from) => {
      const credentials = await open(0, from);
      await credentials.trust([second]);
      expect(credentials.tls.ca).toBe(first);
      expect(await state.read('trust.json')).toBeUndefined();
    },
  );

  test('keep the one that a person gave', async () => {
    identity = await identityWith({ givenAnchor: first });
    const credentials = await open();
    await credentials.trust([second]);
    expect(credentials.tls.ca).toBe(`${first}\n${second}`);
    expect((await open()).tls.ca).toBe(`${first}\n${second}`);
  });

  test.each([
    ['damaged', () => '{'],
    ['of another enrolment', () => fileOf('01890a5d-ac96-774b-bcce-b302099a8058', second)],
    ['of no certificates', () => fileOf(agentId, 'no certificate')],
  ])('are those of the enrolment when the file is %s', async (_, text) => {
    await state.write('trust.json', text());
    expect((await open()).tls.ca).toBe(first);
  });

  test('stay as they are when the control plane names what is no certificate', async () => {
    const credentials = await open();
    await credentials.trust([second, 'no certificate']);
    expect(credentials.tls.ca).toBe(first);
    expect(await state.read('trust.json')).toBeUndefined();
  });

  test('that a person gave are told from those that the control plane names too, however they are written', () => {
    const crlf = second.replaceAll('\n', '\r\n');
    expect(givenBesides(second, [first, crlf])).toBeUndefined();
    expect(givenBesides(`${second}${third}`, [second])?.trim()).toBe(third.trim());
    for (const label of [' X509 CERTIFICATE', ' TRUSTED CERTIFICATE']) {
      const otherName = third.replaceAll(' CERTIFICATE', label);
      expect(givenBesides(otherName, [second])?.trim()).toBe(otherName.trim());
    }
  });
});

function fileOf(of: string, anchor: string): string {
  return JSON.stringify({ format: 1, agentId: of, trustAnchors: [anchor] });
}
