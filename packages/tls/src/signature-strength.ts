import type { X509Certificate } from 'node:crypto';
import { readAsn1, sequenceOf, wholeOf } from './asn1.ts';

/** OpenSSL's names; what is not here is refused. */
const STRONG = /^(sha(256|384|512)WithRSAEncryption|ecdsa-with-SHA(256|384|512)|ED25519|ED448)$/i;
/** The OIDs of SHA-256, SHA-384 and SHA-512 in DER (RFC 5754), and of SHA-1. */
const SHA_2 = ['01', '02', '03'].map((last) => Buffer.from(`06096086480165030402${last}`, 'hex'));
const SHA_1 = Buffer.from('06052b0e03021a', 'hex');

/** Whether a certificate is signed over SHA-2 or by EdDSA. */
export function hasStrongSignature({ signatureAlgorithm = '', raw }: X509Certificate): boolean {
  if (signatureAlgorithm !== 'rsassaPss') return STRONG.test(signatureAlgorithm);
  const parameters = parametersIn(raw);
  return SHA_2.some((digest) => parameters.includes(digest)) && !parameters.includes(SHA_1);
}

/** The digest is among them, and SHA-1 when it is left out (RFC 4055, section 3.1). None where they cannot be read. */
function parametersIn(certificate: Buffer): Buffer {
  try {
    const [, algorithm] = sequenceOf(readAsn1(certificate));
    return Buffer.from(wholeOf(algorithm));
  } catch {
    // OpenSSL does not look into them.
    return Buffer.alloc(0);
  }
}
