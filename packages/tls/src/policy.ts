import { createSecureContext, type SecureVersion } from 'node:tls';
import { type CipherSuite, cipherSuite } from './cipher-suites.ts';

/** Oldest first. */
export const tlsVersions = ['TLS1.0', 'TLS1.1', 'TLS1.2', 'TLS1.3'] as const;
export type TlsVersion = (typeof tlsVersions)[number];

const nodeVersions: Record<TlsVersion, SecureVersion> = {
  'TLS1.0': 'TLSv1',
  'TLS1.1': 'TLSv1.1',
  'TLS1.2': 'TLSv1.2',
  'TLS1.3': 'TLSv1.3',
};

/** What a TLS connection may negotiate; every list is in order of preference. */
export type TlsPolicy = {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly cipherSuites: readonly CipherSuite[];
  /** Key-exchange groups; those that the runtime lacks are passed over. */
  readonly groups: readonly string[];
};

/** TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only, post-quantum hybrid first. */
export const defaultTlsPolicy = {
  minVersion: 'TLS1.2',
  maxVersion: 'TLS1.3',
  cipherSuites: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  ],
  groups: ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'],
} as const satisfies TlsPolicy;

/** TLS 1.0 and 1.1, which RFC 8996 forbids. */
export function isLegacyVersion(version: TlsVersion): boolean {
  return version === 'TLS1.0' || version === 'TLS1.1';
}

/** Whether a suite can be negotiated in this version. */
export function suiteFits(name: CipherSuite, version: TlsVersion): boolean {
  const { since, until } = cipherSuite(name);
  return since <= version && version <= until;
}

/** The versions that a policy leaves, oldest first: those that are allowed and have a suite. */
export function versionsOf({ minVersion, maxVersion, cipherSuites }: TlsPolicy): TlsVersion[] {
  return tlsVersions.filter(
    (version) =>
      minVersion <= version &&
      version <= maxVersion &&
      cipherSuites.some((name) => suiteFits(name, version)),
  );
}

export type TlsOptions = {
  minVersion: SecureVersion;
  maxVersion: SecureVersion;
  ciphers: string;
  ecdhCurve: string;
  honorCipherOrder: true;
};

const knownGroups = new Map<string, boolean>();

/** OpenSSL refuses a whole list for one name it does not know, so each name is tried alone, once. */
function runtimeHasGroup(group: string): boolean {
  let known = knownGroups.get(group);
  if (known === undefined) {
    try {
      createSecureContext({ ecdhCurve: group });
      known = true;
    } catch {
      known = false;
    }
    knownGroups.set(group, known);
  }
  return known;
}

/**
 * A policy as options for `tls.createServer`, `https.createServer`, `tls.connect` and `https.Agent`.
 *
 * @throws Error when nothing is left of its versions or groups
 */
export function tlsOptions(policy: TlsPolicy = defaultTlsPolicy): TlsOptions {
  // With no suite of TLS 1.3 in the list, OpenSSL would use its own ones for it.
  const versions = versionsOf(policy);
  const [oldest, newest] = [versions.at(0), versions.at(-1)];
  if (oldest === undefined || newest === undefined)
    throw new Error('tls.cipherSuites: has no suite for the versions that are allowed; add one');
  // An empty list would stand for OpenSSL's own groups.
  const groups = policy.groups.filter(runtimeHasGroup);
  if (groups.length === 0)
    throw new Error('tls.groups: this TLS library has none of them; leave it out, or add P-256');
  const ciphers = policy.cipherSuites.map((name) => cipherSuite(name).openSsl);
  // The signatures of TLS 1.0 and 1.1 are over MD5 and SHA-1, which every higher level refuses.
  if (isLegacyVersion(oldest)) ciphers.push('@SECLEVEL=0');
  return {
    minVersion: nodeVersions[oldest],
    maxVersion: nodeVersions[newest],
    ciphers: ciphers.join(':'),
    ecdhCurve: groups.join(':'),
    honorCipherOrder: true,
  };
}
