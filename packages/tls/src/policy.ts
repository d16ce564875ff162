import { createSecureContext, type SecureVersion } from 'node:tls';

/** What a TLS connection may negotiate; every list is in order of preference. */
export type TlsPolicy = {
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** OpenSSL's names. */
  readonly cipherSuites: readonly string[];
  /** Key-exchange groups; those that the runtime lacks are passed over. */
  readonly groups: readonly string[];
};

/** TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only, post-quantum hybrid first. */
export const defaultTlsPolicy: TlsPolicy = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
  ],
  groups: ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'],
};

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

/** A policy as options for `tls.createServer`, `https.createServer`, `tls.connect` and `https.Agent`. */
export function tlsOptions(policy: TlsPolicy = defaultTlsPolicy): TlsOptions {
  return {
    minVersion: policy.minVersion,
    maxVersion: policy.maxVersion,
    ciphers: policy.cipherSuites.join(':'),
    ecdhCurve: policy.groups.filter(runtimeHasGroup).join(':'),
    honorCipherOrder: true,
  };
}
