import { hash, type KeyObject } from 'node:crypto';

/** SHA-256 of a public key as a SubjectPublicKeyInfo (RFC 7469, section 2.4), base64url; a buffer is one in DER. */
export function keyThumbprint(key: KeyObject | Buffer): string {
  const spki = Buffer.isBuffer(key) ? key : key.export({ format: 'der', type: 'spki' });
  return hash('sha256', spki, 'base64url');
}
