import { createDecipheriv, sign, verify, type KeyObject } from 'node:crypto';
import { decrypted } from './decrypted.ts';

/**
 * The two compact serialisations that bundles and proofs are made of, each for one algorithm, synchronously
 * and on buffers: an agent opens a bundle for every change, and must be able to zero what it has opened; a
 * proof comes with every request, and a thread is dearer than its signature.
 */

export type Header = Readonly<Record<string, unknown>>;

const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DOT = 0x2e;

/**
 * Decrypts a compact JWE of `A256KW` and `A256GCM` (RFC 7516, section 5.2; RFC 7518, sections 4.4 and 5.3).
 * The caller owns the returned buffer. Throws for anything else, for a wrong key and for any changed bit.
 */
export function openCompactJwe(jwe: string, key: Uint8Array): Buffer {
  const segments = jwe.split('.');
  const [header, wrappedKey, nonce, body, tag] = segments.map(segmentBytes);
  if (segments.length !== 5 || !header || !wrappedKey || !nonce || !body || !tag)
    throw new SyntaxError('not five segments');
  assertHeader(headerOf(header), { alg: 'A256KW', enc: 'A256GCM' });
  if (nonce.byteLength !== NONCE_BYTES || tag.byteLength !== TAG_BYTES)
    throw new RangeError('the nonce or the tag has another size');
  const contentKey = unwrapKey(key, wrappedKey);
  const decipher = createDecipheriv('aes-256-gcm', contentKey, nonce, {
    authTagLength: TAG_BYTES,
  });
  contentKey.fill(0);
  decipher.setAAD(Buffer.from(segments[0] ?? '', 'ascii')).setAuthTag(tag);
  const plaintext = decrypted(decipher, body);
  try {
    decipher.final();
  } catch (error) {
    plaintext.fill(0);
    throw error;
  }
  return plaintext;
}

/** RFC 3394, section 2.2.2: a wrong key or a changed bit does not unwrap. */
function unwrapKey(key: Uint8Array, wrapped: Buffer): Buffer {
  const unwrapping = createDecipheriv('id-aes256-wrap', key, KEY_WRAP_IV);
  const unwrapped = unwrapping.update(wrapped);
  // Nothing is left for the end: it tells only whether the key was the right one.
  unwrapping.final();
  return unwrapped;
}

/** Signs a compact JWS of `EdDSA` with Ed25519 (RFC 7515, section 5.1; RFC 8037, section 3.1). */
export function signCompactJws(header: Header, payload: Uint8Array, key: KeyObject): string {
  const headerText = Buffer.from(JSON.stringify({ alg: 'EdDSA', ...header })).toString('base64url');
  const input = `${headerText}.${Buffer.from(payload).toString('base64url')}`;
  return `${input}.${sign(null, Buffer.from(input, 'ascii'), key).toString('base64url')}`;
}

/**
 * Verifies a compact JWS of `EdDSA` with Ed25519 (RFC 7515, section 5.2; RFC 8037, section 3.1) and returns
 * its payload, which the caller owns. Throws for another algorithm or type, and for a wrong signature.
 */
export function verifyCompactJws(
  jws: Buffer,
  typ: string,
  keyOf: (header: Header) => KeyObject,
): Buffer {
  const first = jws.indexOf(DOT);
  const second = jws.indexOf(DOT, first + 1);
  if (second < 0) throw new SyntaxError('not three segments');
  const header = headerOf(segmentBytes(jws.toString('latin1', 0, first)));
  assertHeader(header, { alg: 'EdDSA', typ });
  const signature = segmentBytes(jws.toString('latin1', second + 1));
  if (!verify(null, jws.subarray(0, second), keyOf(header), signature))
    throw new RangeError('the signature is wrong');
  return decodeInPlace(jws.subarray(first + 1, second));
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SEXTETS = new Uint8Array(256).fill(255);
for (let value = 0; value < ALPHABET.length; value += 1)
  SEXTETS[ALPHABET.charCodeAt(value)] = value;

/** Decodes base64url over its own text: the runtime's decoder takes a string, and a string cannot be zeroed. */
function decodeInPlace(text: Buffer): Buffer {
  let bits = 0;
  let held = 0;
  let length = 0;
  for (const letter of text) {
    const sextet = SEXTETS[letter] ?? 255;
    if (sextet === 255) throw new SyntaxError('not base64url');
    bits = (bits << 6) | sextet;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    text[length] = (bits >> held) & 0xff;
    length += 1;
  }
  text.fill(0, length);
  return text.subarray(0, length);
}

function assertHeader(header: Header, expected: Record<string, string>): void {
  // RFC 7515, section 4.1.11: what is critical and not understood must be refused; so must compression.
  if ('crit' in header || 'zip' in header) throw new SyntaxError('an extension is not understood');
  for (const [name, value] of Object.entries(expected))
    if (header[name] !== value) throw new SyntaxError(`${name} is another one`);
}

function headerOf(bytes: Buffer): Header {
  const header: unknown = JSON.parse(bytes.toString('utf8'));
  if (typeof header !== 'object' || header === null) throw new SyntaxError('not a header');
  return { ...header };
}

/** Strict: only the one canonical encoding, since what no cipher covers must not be changeable either. */
function segmentBytes(segment: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url');
  if (bytes.toString('base64url') !== segment) throw new SyntaxError('not base64url');
  return bytes;
}
