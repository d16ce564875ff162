import { createHmac, randomBytes } from 'node:crypto';
import { CryptoError } from './crypto-error.ts';
import { KEY_BYTES } from './envelope.ts';

/** 32 random bytes in base64url: the text form that `parseRootKey` reads. */
export function generateRootKey(): string {
  return randomBytes(KEY_BYTES).toString('base64url');
}

/**
 * Reads a root key: 32 bytes as 64 hex digits, or as base64 or base64url.
 *
 * @throws CryptoError `root_key.malformed`, without the text
 */
export function parseRootKey(text: string): Uint8Array {
  const trimmed = text.trim();
  const encoding = /^[0-9a-fA-F]{64}$/.test(trimmed) ? 'hex' : 'base64url';
  const key = Buffer.from(trimmed, encoding);
  const canonical = /^[A-Za-z0-9+/_-]+=?$/.test(trimmed);
  if (key.byteLength !== KEY_BYTES || !canonical) {
    throw new CryptoError(
      'root_key.malformed',
      'a root key is 32 bytes in base64, base64url or hex',
    );
  }
  return key;
}

/** Names a root key without telling anything of it: 16 hex digits of an HMAC under the key. */
export function rootKeyFingerprint(rootKey: Uint8Array): string {
  return createHmac('sha256', rootKey)
    .update('sallyport root key fingerprint v1')
    .digest('hex')
    .slice(0, 16);
}
