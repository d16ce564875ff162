import { createPrivateKey, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { CertificateError } from './certificate-error.ts';
import { keyAlgorithmOf } from './certificate-facts.ts';
import { pemBlocks } from './pem.ts';

const signOffLoop = promisify<string | null, Buffer, KeyObject, Buffer>(sign);

/** The one private key of a PEM text. @throws CertificateError `certificate.key_malformed`, `certificate.key_encrypted` */
export function parsePrivateKey(pem: string): KeyObject {
  const keys = pemBlocks(pem).filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [block] = keys;
  if (block === undefined || keys.length > 1)
    throw malformed('The key must be one private key in PEM: -----BEGIN PRIVATE KEY-----.');
  if (block.label.startsWith('ENCRYPTED') || block.text.includes('Proc-Type: 4,ENCRYPTED'))
    throw new CertificateError(
      'certificate.key_encrypted',
      'key',
      'The private key is encrypted: decrypt it first, with openssl pkey, or give a PKCS#12 file and its password.',
    );
  return keyFrom({ key: block.text, format: 'pem' });
}

/** A PrivateKeyInfo (RFC 5208, section 5). @throws CertificateError `certificate.key_malformed` */
export function privateKeyFromDer(der: Buffer): KeyObject {
  return keyFrom({ key: der, format: 'der', type: 'pkcs8' });
}

/**
 * Proves that a private key works and belongs to a public key: it signs, off the event loop, and the public
 * key verifies. A key whose private half is damaged still names the right public one.
 *
 * @throws CertificateError `certificate.key_weak`, `certificate.key_mismatch`
 */
export async function proveKey(key: KeyObject, publicKey: KeyObject): Promise<void> {
  const digest = keyAlgorithmOf(key) === 'Ed25519' ? null : 'sha256';
  const text = randomBytes(32);
  const signature = await signOffLoop(digest, text, key).catch(() => Buffer.alloc(0));
  if (verify(digest, text, publicKey, signature)) return;
  throw new CertificateError(
    'certificate.key_mismatch',
    'key',
    'The private key does not sign for its certificate; it is damaged.',
  );
}

function keyFrom(input: Parameters<typeof createPrivateKey>[0]): KeyObject {
  try {
    return createPrivateKey(input);
  } catch {
    // Without the cause: what OpenSSL says of a key belongs in no log.
    throw malformed('The private key is damaged or of an unknown kind; export it again.');
  }
}

function malformed(message: string): CertificateError {
  return new CertificateError('certificate.key_malformed', 'key', message);
}
