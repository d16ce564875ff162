import { describe, expect, test } from '@jest/globals';
import { cipherSuites, suitesNotProvided } from '../src/cipher-suites.ts';
import { defaultTlsPolicy } from '../src/policy.ts';
import { tlsSettings, tlsWarnings } from '../src/settings.ts';

const settings = tlsSettings('Test');

/** What is wrong, as `key: why`. */
function problemsOf(given: unknown): string[] {
  const { error } = settings.safeParse(given);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('the tls block', () => {
  test('[AX-05] [AX-08] by default is the default policy, with which nothing is weak', () => {
    expect(settings.parse({})).toEqual(defaultTlsPolicy);
    expect(tlsWarnings('agentApi.tls', settings.parse({}))).toEqual([]);
  });

  const legacy =
    /^(min|max)Version: is a version that is broken; set TLS1.2 or TLS1.3, or allowLegacy/;
  const order = /^minVersion: is newer than maxVersion/;
  const suites = /^cipherSuites: has no suite for the versions/;
  test.each([
    [{ minVersion: 'TLS1.2', maxVersion: 'TLS1.2' }, undefined],
    [{ minVersion: 'TLS1.3', maxVersion: 'TLS1.3' }, undefined],
    [{ minVersion: 'TLS1.0', allowLegacy: true }, undefined],
    [{ minVersion: 'TLS1.1', maxVersion: 'TLS1.1', allowLegacy: true }, undefined],
    [{ minVersion: 'TLS1.0' }, legacy],
    [{ minVersion: 'TLS1.1', allowLegacy: false }, legacy],
    [{ maxVersion: 'TLS1.1' }, legacy],
    [{ maxVersion: 'TLS1.1', allowLegacy: true }, order],
    [{ minVersion: 'TLS1.3', maxVersion: 'TLS1.2' }, order],
    ...['TLS1.4', 'TLS1', 'TLSv1.2', 'tls1.2', 'SSL3', '1.2', '', 1.2, null].map(
      (minVersion): [unknown, RegExp] => [{ minVersion }, /^minVersion: Invalid option: expected/],
    ),
    [{ maxVersion: 'TLSv1.3' }, /^maxVersion: Invalid option: expected one of "TLS1.0"/],
    [{ minVersion: 'TLS1.3', cipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256'] }, suites],
    [{ maxVersion: 'TLS1.2', cipherSuites: ['TLS_AES_128_GCM_SHA256'] }, suites],
    [
      {
        minVersion: 'TLS1.0',
        allowLegacy: true,
        cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
      },
      suites,
    ],
    [{ cipherSuites: ['TLS_AES_128_GCM_SHA256'] }, undefined],
  ])('[AX-06] %j', (given, refusal) => {
    const problems = problemsOf(given);
    if (refusal === undefined) expect(problems).toEqual([]);
    else expect(problems).toEqual([expect.stringMatching(refusal)]);
  });

  test('[AX-06] a legacy version that is allowed brings the suites it needs, and two warnings that name the keys', () => {
    const policy = settings.parse({ minVersion: 'TLS1.0', allowLegacy: true });
    expect(policy.cipherSuites).toContain('TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA');
    expect(tlsWarnings('agentApi.tls', policy)).toEqual([
      expect.stringMatching(/^agentApi\.tls\.minVersion: TLS 1\.0 and 1\.1 are allowed/),
      expect.stringMatching(/^agentApi\.tls\.cipherSuites: weak suites are allowed/),
    ]);
  });

  test('[AX-09] 25 IANA names are recognised: 20 can be set, and RC4 and 3DES are said not to be provided', () => {
    const { RC4, '3DES': tripleDes } = suitesNotProvided;
    expect([...cipherSuites, ...RC4, ...tripleDes]).toHaveLength(25);
    expect(problemsOf({ cipherSuites })).toEqual([]);
    for (const [cipher, names] of Object.entries(suitesNotProvided)) {
      const reason = `cipherSuites.1: names a suite of ${cipher}, which is not provided by this TLS library (OpenSSL ${process.versions.openssl})`;
      for (const name of names)
        expect(problemsOf({ cipherSuites: ['TLS_AES_128_GCM_SHA256', name] })).toEqual([
          expect.stringContaining(reason),
        ]);
    }
  });

  test.each(['TLS_NO_SUCH_SUITE', 'ECDHE-RSA-AES128-GCM-SHA256', 'HIGH', '', 'constructor'])(
    '[AX-09] %j is refused with the names that are known, the weak ones as such, and is not repeated',
    (name) => {
      const [problem = '', ...more] = problemsOf({ cipherSuites: [name] });
      expect(more).toEqual([]);
      const [good = '', weak = ''] = problem
        .replace(
          'cipherSuites.0: is not the IANA name of a cipher suite that is known here; use ',
          '',
        )
        .split(', or for old peers one of the weak ');
      expect([...good.split(', '), ...weak.split(', ')].toSorted()).toEqual(
        cipherSuites.toSorted(),
      );
      expect(good).not.toMatch(/_CBC_|TLS_RSA_/);
    },
  );

  test.each([
    ['TLS_RSA_WITH_AES_128_GCM_SHA256', true],
    ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', true],
    ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', false],
    ['TLS_AES_128_GCM_SHA256', false],
  ])('[AX-10] whether %s brings a warning that names the key: %s', (suite, isWeak) => {
    const policy = settings.parse({ cipherSuites: ['TLS_CHACHA20_POLY1305_SHA256', suite] });
    expect(tlsWarnings('controlPlane.tls', policy)).toEqual(
      isWeak ? [expect.stringMatching(/^controlPlane\.tls\.cipherSuites: weak suites/)] : [],
    );
  });

  test('a group that is not known, and an empty list, are refused', () => {
    expect(settings.parse({ groups: ['P-384'] }).groups).toEqual(['P-384']);
    expect(problemsOf({ groups: ['P-192'] })).toEqual([
      expect.stringMatching(/^groups\.0: Invalid option/),
    ]);
    expect(problemsOf({ groups: [] })).toEqual([expect.stringMatching(/^groups: Too small/)]);
    expect(problemsOf({ cipherSuites: [] })).toEqual([
      expect.stringMatching(/^cipherSuites: Too small/),
    ]);
  });
});
