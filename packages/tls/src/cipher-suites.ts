/** The version that a suite came with, and the last that has it. */
type Span = { since: 'TLS1.0' | 'TLS1.2' | 'TLS1.3'; until: 'TLS1.2' | 'TLS1.3' };
type Suite = Span & { openSsl: string };

const cbc: Span = { since: 'TLS1.0', until: 'TLS1.2' };
const tls12: Span = { since: 'TLS1.2', until: 'TLS1.2' };
const tls13: Span = { since: 'TLS1.3', until: 'TLS1.3' };

/** By IANA name, best first: all that can be configured, with OpenSSL's name and the versions that have it. */
const suites = {
  TLS_AES_256_GCM_SHA384: { ...tls13, openSsl: 'TLS_AES_256_GCM_SHA384' },
  TLS_CHACHA20_POLY1305_SHA256: { ...tls13, openSsl: 'TLS_CHACHA20_POLY1305_SHA256' },
  TLS_AES_128_GCM_SHA256: { ...tls13, openSsl: 'TLS_AES_128_GCM_SHA256' },
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: { ...tls12, openSsl: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: { ...tls12, openSsl: 'ECDHE-RSA-AES256-GCM-SHA384' },
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: {
    ...tls12,
    openSsl: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  },
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: { ...tls12, openSsl: 'ECDHE-RSA-CHACHA20-POLY1305' },
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: { ...tls12, openSsl: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: { ...tls12, openSsl: 'ECDHE-RSA-AES128-GCM-SHA256' },
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: { ...cbc, openSsl: 'ECDHE-ECDSA-AES256-SHA' },
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: { ...cbc, openSsl: 'ECDHE-RSA-AES256-SHA' },
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: { ...tls12, openSsl: 'ECDHE-ECDSA-AES128-SHA256' },
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: { ...tls12, openSsl: 'ECDHE-RSA-AES128-SHA256' },
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: { ...cbc, openSsl: 'ECDHE-ECDSA-AES128-SHA' },
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: { ...cbc, openSsl: 'ECDHE-RSA-AES128-SHA' },
  TLS_RSA_WITH_AES_256_GCM_SHA384: { ...tls12, openSsl: 'AES256-GCM-SHA384' },
  TLS_RSA_WITH_AES_128_GCM_SHA256: { ...tls12, openSsl: 'AES128-GCM-SHA256' },
  TLS_RSA_WITH_AES_256_CBC_SHA: { ...cbc, openSsl: 'AES256-SHA' },
  TLS_RSA_WITH_AES_128_CBC_SHA256: { ...tls12, openSsl: 'AES128-SHA256' },
  TLS_RSA_WITH_AES_128_CBC_SHA: { ...cbc, openSsl: 'AES128-SHA' },
} as const satisfies Record<string, Suite>;

/** An IANA name of a suite that can be negotiated. */
export type CipherSuite = keyof typeof suites;

/** Names that people still configure, of ciphers that OpenSSL is no longer built with, by cipher. */
export const suitesNotProvided = {
  RC4: [
    'TLS_ECDHE_ECDSA_WITH_RC4_128_SHA',
    'TLS_ECDHE_RSA_WITH_RC4_128_SHA',
    'TLS_RSA_WITH_RC4_128_SHA',
  ],
  '3DES': ['TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA'],
} as const;

export function isCipherSuite(name: string): name is CipherSuite {
  return Object.hasOwn(suites, name);
}

export const cipherSuites: readonly CipherSuite[] = Object.keys(suites).filter(isCipherSuite);

export function cipherSuite(name: CipherSuite): Suite {
  return suites[name];
}

/** Without forward secrecy (RSA key exchange), or in CBC mode, which its padding has undone several times. */
export function isWeakSuite(ianaName: string): boolean {
  return ianaName.startsWith('TLS_RSA_') || ianaName.includes('_CBC_');
}
