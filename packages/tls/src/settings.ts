import { z } from 'zod';
import {
  cipherSuites as knownSuites,
  type CipherSuite,
  isCipherSuite,
  isWeakSuite,
  suitesNotProvided,
} from './cipher-suites.ts';
import {
  defaultTlsPolicy,
  isLegacyVersion,
  type TlsPolicy,
  tlsVersions,
  versionsOf,
} from './policy.ts';

/** As OpenSSL and its manuals call them. */
const groups = [
  'X25519MLKEM768',
  'SecP256r1MLKEM768',
  'SecP384r1MLKEM1024',
  'X25519',
  'X448',
  'P-256',
  'P-384',
  'P-521',
] as const;

/** What TLS 1.0 and 1.1 need beside the safe suites, none of which they know. */
const legacySuites: readonly CipherSuite[] = [
  'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA',
  'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA',
  'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA',
  'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA',
];

/**
 * The `tls` block of a listener or a link, parsed into its `TlsPolicy`. `what` begins the descriptions, and
 * `variables` the names of the environment variables where the path of the block is not to make them.
 */
export function tlsSettings(what: string, variables?: string) {
  return tlsKeys((name, description) => ({
    description: `${what}: ${description}`,
    ...(variables === undefined ? {} : { env: `${variables}_${name}` }),
  })).transform(({ allowLegacy, cipherSuites, ...rest }, context): TlsPolicy => {
    const policy = { ...rest, cipherSuites: cipherSuites ?? defaultSuites(rest) };
    const problem = problemOf(policy, allowLegacy);
    if (problem === undefined) return policy;
    const [key, message] = problem;
    context.addIssue({ code: 'custom', path: [key], message });
    return z.NEVER;
  });
}

function tlsKeys(as: (name: string, description: string) => { description: string; env?: string }) {
  const { minVersion, maxVersion } = defaultTlsPolicy;
  const suites = 'cipher suites by IANA name, best first; unset: the safe ones of docs/tls.md';
  return z.strictObject({
    minVersion: z
      .enum(tlsVersions)
      .default(minVersion)
      .meta(as('MIN_VERSION', `oldest TLS version: ${tlsVersions.join(', ')}`)),
    maxVersion: z
      .enum(tlsVersions)
      .default(maxVersion)
      .meta(as('MAX_VERSION', 'newest TLS version')),
    allowLegacy: z
      .boolean()
      .default(false)
      .meta(as('ALLOW_LEGACY', 'whether TLS1.0 and TLS1.1, which are broken, may be set')),
    cipherSuites: z.array(suiteName()).min(1).optional().meta(as('CIPHER_SUITES', suites)),
    groups: z
      .array(z.enum(groups))
      .min(1)
      .default([...defaultTlsPolicy.groups])
      .meta(as('GROUPS', `key-exchange groups, best first: ${groups.join(', ')}`)),
  });
}

function defaultSuites({ minVersion }: Pick<TlsPolicy, 'minVersion'>): readonly CipherSuite[] {
  const { cipherSuites } = defaultTlsPolicy;
  return isLegacyVersion(minVersion) ? [...cipherSuites, ...legacySuites] : cipherSuites;
}

const weakSuites = knownSuites.filter(isWeakSuite);
const goodSuites = knownSuites.filter((name) => !isWeakSuite(name));
const choice = `${goodSuites.join(', ')}, or for old peers one of the weak ${weakSuites.join(', ')}`;

function suiteName() {
  return z.string().transform((name, context): CipherSuite => {
    if (isCipherSuite(name)) return name;
    context.addIssue({ code: 'custom', message: `${whyNot(name)}; use ${choice}` });
    return z.NEVER;
  });
}

function whyNot(name: string): string {
  const { RC4, '3DES': tripleDes } = suitesNotProvided;
  const missing = [...RC4, ...tripleDes].find((each) => each === name);
  if (missing === undefined) return 'is not the IANA name of a cipher suite that is known here';
  const cipher = missing.includes('RC4') ? 'RC4' : '3DES';
  return `names a suite of ${cipher}, which is not provided by this TLS library (OpenSSL ${process.versions.openssl})`;
}

function problemOf(
  policy: TlsPolicy,
  allowLegacy: boolean,
): [key: keyof TlsPolicy, message: string] | undefined {
  const { minVersion, maxVersion } = policy;
  const legacy = (['minVersion', 'maxVersion'] as const).find((key) =>
    isLegacyVersion(policy[key]),
  );
  if (legacy !== undefined && !allowLegacy)
    return [
      legacy,
      'is a version that is broken; set TLS1.2 or TLS1.3, or allowLegacy beside this key to true',
    ];
  if (minVersion > maxVersion)
    return [
      'minVersion',
      'is newer than maxVersion, so that nothing is left; lower this key, or raise that one',
    ];
  const [oldest] = versionsOf(policy);
  // Who allows a legacy version means it to work; a suite of TLS 1.3 alone may well leave out 1.2.
  if (oldest === undefined || (isLegacyVersion(minVersion) && oldest !== minVersion))
    return [
      'cipherSuites',
      'has no suite for the versions that minVersion and maxVersion allow; add one, or leave the key out',
    ];
  return undefined;
}

/** What a policy allows that is weak, as sentences for the log; `key` is that of the `tls` block. */
export function tlsWarnings(key: string, { minVersion, cipherSuites }: TlsPolicy): string[] {
  const warnings: string[] = [];
  if (isLegacyVersion(minVersion))
    warnings.push(
      `${key}.minVersion: TLS 1.0 and 1.1 are allowed, and they are broken; set it to TLS1.2 once no peer needs them`,
    );
  if (cipherSuites.some(isWeakSuite))
    warnings.push(
      `${key}.cipherSuites: weak suites are allowed (CBC mode, or RSA key exchange without forward secrecy); take them out once no peer needs them`,
    );
  return warnings;
}
