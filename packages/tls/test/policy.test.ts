import { beforeAll, describe, expect, test } from '@jest/globals';
import { type CipherSuite, cipherSuite, cipherSuites, isWeakSuite } from '../src/cipher-suites.ts';
import { HttpsLink } from '../src/https-link.ts';
import {
  defaultTlsPolicy,
  suiteFits,
  tlsOptions,
  type TlsPolicy,
  tlsVersions,
} from '../src/policy.ts';
import { type Authority, makeAuthority, type ServerIdentity } from './authority.ts';
import { ANYTHING, openSslClient, startOpenSslServer, versionOptions } from './openssl.ts';
import { linkErrorOf, startServer } from './server.ts';

let authority: Authority;
const identities = new Map<string, ServerIdentity>();
beforeAll(async () => {
  authority = await makeAuthority();
  for (const keyType of ['EC', 'RSA'] as const)
    identities.set(keyType, await authority.issue({ keyType }));
});

function identity(suite = ''): ServerIdentity {
  const found = identities.get(suite.includes('RSA') ? 'RSA' : 'EC');
  if (found === undefined) throw new Error('no identity was issued');
  return found;
}

/** What a server under this policy negotiates with `openssl s_client`; undefined when it refuses. */
async function served(policy: Partial<TlsPolicy>, args: readonly string[], suite = '') {
  const options = tlsOptions({ ...defaultTlsPolicy, ...policy });
  await using server = await startServer({ ...identity(suite), ...options });
  return await openSslClient(server.port, args);
}

/** What a link under this policy negotiates with `openssl s_server`, or its error. */
async function linked(policy: Partial<TlsPolicy>, args: readonly string[], suite = '') {
  await using server = await startOpenSslServer(identity(suite), args);
  const tls = { ...defaultTlsPolicy, ...policy };
  const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca, tls });
  const outcome = await link.request('GET', '/').then(
    () => link.tlsParameters(),
    (error: unknown) => linkErrorOf(Promise.reject(error)),
  );
  link.close();
  return outcome;
}

const legacy = {
  minVersion: 'TLS1.0',
  cipherSuites: ['TLS_AES_256_GCM_SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA'],
} as const satisfies Partial<TlsPolicy>;

describe('the versions of a policy, with OpenSSL as the peer', () => {
  test('[AX-03] a minimum of TLS1.3 refuses a peer that speaks 1.2 alone, and takes one that speaks 1.3', async () => {
    const policy = { minVersion: 'TLS1.3' } as const;
    expect(await served(policy, ['-tls1_2'])).toBeUndefined();
    expect(await served(policy, [])).toMatchObject({ version: 'TLSv1.3' });
    expect(await linked(policy, ['-tls1_2'])).toMatchObject({ code: 'tls.version' });
    expect(await linked(policy, [])).toMatchObject({ protocol: 'TLSv1.3' });
  });

  test('[AX-04] a maximum of TLS1.2 negotiates 1.2 with a peer that speaks 1.2 and 1.3, and refuses 1.3 alone', async () => {
    const policy = { maxVersion: 'TLS1.2' } as const;
    expect(await served(policy, [])).toMatchObject({ version: 'TLSv1.2' });
    expect(await served(policy, ['-tls1_3'])).toBeUndefined();
    expect(await linked(policy, [])).toMatchObject({ protocol: 'TLSv1.2' });
    expect(await linked(policy, ['-tls1_3'])).toMatchObject({ code: 'tls.version' });
  });

  test.each(tlsVersions)(
    '[AX-05] [AT-17] by default, a peer that speaks %s alone',
    async (version) => {
      const args = [versionOptions[version], ...ANYTHING];
      const name = version.replace('TLS', 'TLSv');
      const isTaken = version === 'TLS1.2' || version === 'TLS1.3';
      expect(await served({}, args)).toEqual(
        isTaken ? { version: name, suite: expect.any(String) } : undefined,
      );
      expect(await linked({}, args)).toMatchObject(
        isTaken ? { protocol: name } : { code: 'tls.version' },
      );
    },
  );

  test.each(['TLS1.0', 'TLS1.1'] as const)(
    '[AX-06] a policy that allows it speaks %s, and TLS1.2 no less',
    async (version) => {
      const args = [versionOptions[version], ...ANYTHING];
      // OpenSSL calls its 1.0 by the first half of the name.
      const name = version === 'TLS1.0' ? 'TLSv1' : 'TLSv1.1';
      expect(await served(legacy, args)).toMatchObject({ version: name });
      expect(await linked(legacy, args)).toMatchObject({ protocol: name });
      expect(await linked({ ...legacy, maxVersion: 'TLS1.2' }, [])).toMatchObject({
        protocol: 'TLSv1.2',
      });
    },
  );
});

/** Alone in a policy, offered to and asked of a peer that takes everything. */
const negotiable = cipherSuites.map((suite) => ({ suite, openSsl: cipherSuite(suite).openSsl }));

describe('the cipher suites of a policy, with OpenSSL as the peer', () => {
  test('there are 20, of which those in CBC mode or with RSA key exchange are weak', () => {
    expect(cipherSuites).toHaveLength(20);
    const strong = cipherSuites.filter((suite) => !isWeakSuite(suite));
    expect(strong).toEqual(defaultTlsPolicy.cipherSuites);
  });

  test.each(negotiable)('[AX-09] $suite is negotiated', async ({ suite, openSsl }) => {
    expect(await served({ cipherSuites: [suite] }, ANYTHING, suite)).toMatchObject({
      suite: openSsl,
    });
    expect(await linked({ cipherSuites: [suite] }, ANYTHING, suite)).toMatchObject({
      cipher: suite,
    });
  });

  test.each([
    [
      'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      'TLSv1.2',
      ['-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384', '-tls1_2'],
    ],
    ['TLS_AES_128_GCM_SHA256', 'TLSv1.3', ['-ciphersuites', 'TLS_AES_256_GCM_SHA384', '-tls1_3']],
  ] satisfies [CipherSuite, string, string[]][])(
    '[AX-07] with %s alone the handshake uses it, in %s, and a peer without it is refused',
    async (suite, version, disjoint) => {
      const policy = { cipherSuites: [suite] };
      expect(await served(policy, [])).toEqual({ version, suite: cipherSuite(suite).openSsl });
      expect(await linked(policy, [])).toMatchObject({ protocol: version, cipher: suite });
      expect(await served(policy, disjoint)).toBeUndefined();
      expect(await linked(policy, disjoint)).toMatchObject({ code: 'tls.handshake' });
    },
  );

  test('[AX-07] a server takes the first of its suites that the peer has, not the first of the peer', async () => {
    const suites = [
      'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    ] as const;
    const peer = [
      '-cipher',
      'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
      '-tls1_2',
    ];
    expect(await served({ cipherSuites: suites }, peer)).toMatchObject({
      suite: 'ECDHE-ECDSA-CHACHA20-POLY1305',
    });
  });

  test('[AX-08] the default ones have forward secrecy and authenticated encryption, and a peer with weak ones is refused', async () => {
    expect(defaultTlsPolicy.cipherSuites).toEqual([
      'TLS_AES_256_GCM_SHA384',
      'TLS_CHACHA20_POLY1305_SHA256',
      'TLS_AES_128_GCM_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
      'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
      'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    ]);
    expect(await served({}, ['-cipher', 'ECDHE-ECDSA-AES128-SHA256', '-tls1_2'])).toBeUndefined();
    expect(await served({}, ['-cipher', 'AES128-GCM-SHA256', '-tls1_2'], 'RSA')).toBeUndefined();
  });

  test.each(defaultTlsPolicy.cipherSuites)(
    '[AX-08] by default, a peer with %s alone negotiates it',
    async (suite) => {
      const { openSsl } = cipherSuite(suite);
      const option = suiteFits(suite, 'TLS1.3') ? '-ciphersuites' : '-cipher';
      const version = suiteFits(suite, 'TLS1.3') ? '-tls1_3' : '-tls1_2';
      expect(await served({}, [option, openSsl, version], suite)).toMatchObject({ suite: openSsl });
    },
  );
});

test('[AX-06] a policy without a suite for its versions is refused, where OpenSSL would take its own ones', () => {
  const policy = { ...defaultTlsPolicy, minVersion: 'TLS1.3' } as const;
  expect(() => tlsOptions({ ...policy, cipherSuites: legacy.cipherSuites.slice(1) })).toThrow(
    'tls.cipherSuites: has no suite for the versions',
  );
});

describe('the groups of a policy', () => {
  test('those that the runtime lacks are passed over, and none at all is refused', () => {
    const groups = ['NO-SUCH-GROUP', 'X25519'];
    expect(tlsOptions({ ...defaultTlsPolicy, groups }).ecdhCurve).toBe('X25519');
    expect(() => tlsOptions({ ...defaultTlsPolicy, groups: ['NO-SUCH-GROUP'] })).toThrow(
      'tls.groups: this TLS library has none of them',
    );
  });

  test('the first that both sides have is negotiated, the post-quantum hybrid by default, and a peer without any is refused', async () => {
    const negotiated = async (groups: readonly string[]) => {
      await using server = await startServer({ ...identity(), ...tlsOptions() });
      const tls = { ...defaultTlsPolicy, groups };
      const link = new HttpsLink({ baseUrl: server.url, ca: authority.ca, tls });
      await link.request('GET', '/').finally(() => link.close());
      return link.tlsParameters()?.group;
    };
    expect(await negotiated(defaultTlsPolicy.groups)).toBe('X25519MLKEM768');
    expect(await negotiated(['P-384'])).toBe('secp384r1');
    await expect(negotiated(['P-521'])).rejects.toMatchObject({ code: 'tls.handshake' });
  });
});
