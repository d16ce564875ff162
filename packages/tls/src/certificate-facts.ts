import type { KeyObject, X509Certificate } from 'node:crypto';
import { CertificateError } from './certificate-error.ts';
import { certificateFingerprint } from './fingerprint.ts';

/** What a certificate says of itself, for everybody to read. */
export type CertificateFacts = {
  /** A distinguished name in one line, as OpenSSL prints it. */
  subject: string;
  issuer: string;
  /** Hexadecimal. */
  serialNumber: string;
  dnsNames: string[];
  ipAddresses: string[];
  uris: string[];
  notBefore: Date;
  notAfter: Date;
  /** `SHA256:AA:BB:…` */
  fingerprint: string;
  keyAlgorithm: KeyAlgorithm;
};

export type KeyAlgorithm =
  | 'RSA-2048'
  | `RSA-${number}`
  | 'EC-P-256'
  | 'EC-P-384'
  | 'EC-P-521'
  | 'Ed25519';

const MAX_NAMES = 250;
const MAX_LINE = 1_024;
const MIN_RSA_BITS = 2_048;
/** A signature takes time with the cube of the length; nobody uses longer ones. */
const MAX_RSA_BITS = 8_192;
const curves: Record<string, KeyAlgorithm> = {
  prime256v1: 'EC-P-256',
  secp384r1: 'EC-P-384',
  secp521r1: 'EC-P-521',
};

/** @throws CertificateError `certificate.no_names`, `certificate.chain_malformed`, `certificate.key_weak` */
export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  const { subject, issuer, serialNumber, validFromDate, validToDate } = certificate;
  const names = namesOf(certificate);
  const of = (type: string) => names.filter((name) => name.type === type).map(({ value }) => value);
  const facts = {
    subject: nameInLine(subject),
    issuer: nameInLine(issuer),
    serialNumber,
    dnsNames: of('DNS').map((name) => name.toLowerCase()),
    ipAddresses: of('IP Address').map(canonicalAddress),
    uris: of('URI'),
    notBefore: validFromDate,
    notAfter: validToDate,
    fingerprint: certificateFingerprint(certificate),
    keyAlgorithm: keyAlgorithmOf(certificate.publicKey),
  };
  if (facts.dnsNames.length + facts.ipAddresses.length + facts.uris.length === 0)
    throw new CertificateError(
      'certificate.no_names',
      'chain',
      'The certificate has no subject alternative name, without which no client accepts it; its common name does not count. Issue it again for its DNS names or IP addresses.',
    );
  return facts;
}

/** @throws CertificateError `certificate.key_weak` */
export function keyAlgorithmOf(key: KeyObject): KeyAlgorithm {
  const { modulusLength: bits = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ed25519') return 'Ed25519';
  if (key.asymmetricKeyType === 'rsa' && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS)
    return `RSA-${bits}`;
  const curve = key.asymmetricKeyType === 'ec' ? curves[namedCurve] : undefined;
  if (curve !== undefined) return curve;
  throw new CertificateError(
    'certificate.key_weak',
    'chain',
    `A key of the chain is too weak or of a kind that is not taken: use RSA of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits, EC on P-256, P-384 or P-521, or Ed25519.`,
  );
}

type Name = { type: string; value: string };

/**
 * The names as the runtime prints them: `DNS:a.test, IP Address:10.0.0.1`. A name with anything in it that
 * could pass for another is quoted as a JSON string there.
 */
function namesOf({ subjectAltName = '' }: X509Certificate): Name[] {
  const printed = subjectAltName.matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g);
  const names = [...printed].map(([, type = '', value = '']) => ({ type, value }));
  const known = names.filter(({ type }) => ['DNS', 'IP Address', 'URI'].includes(type));
  if (names.length > MAX_NAMES || known.some((name) => !isPlain(name)))
    throw unusable(`more than ${MAX_NAMES} subject alternative names, or one that is no name`);
  return known;
}

function isPlain({ type, value }: Name): boolean {
  if (type === 'URI') return /^[\x21\x23-\x7e]{1,2048}$/.test(value);
  return type === 'DNS' ? /^[A-Za-z0-9*_.-]{1,253}$/.test(value) : /^[0-9A-Fa-f.:]+$/.test(value);
}

/** `2001:DB8:0:0:0:0:0:1` as RFC 5952 writes it. */
function canonicalAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** A distinguished name in one line, as OpenSSL prints it. @throws CertificateError `certificate.chain_malformed` */
export function nameInLine(name: string | undefined): string {
  const line = (name ?? '').split('\n').join(', ');
  if (line.length <= MAX_LINE) return line;
  throw unusable(`a subject or issuer of more than ${MAX_LINE} characters`);
}

function unusable(what: string): CertificateError {
  return new CertificateError(
    'certificate.chain_malformed',
    'chain',
    `The certificate has ${what}; issue it again.`,
  );
}
