import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { CryptoError } from './crypto-error.ts';

/** What a bearer of the token may ask for. */
export type TokenKind = 'agent' | 'enroll' | 'session' | 'key';

/** `id` is the row's UUID; `secret` is the part that is hashed before it is stored. */
export type Token = { kind: TokenKind; id: string; secret: string };

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_BYTES = 32;
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const SHAPE = /^sp_(agent|enroll|session|key)_([0-9a-f]{32})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** Makes a token of 256 random bits for the row `id` (a UUID). */
export function mintToken(kind: TokenKind, id: string): Token {
  return { kind, id, secret: base62(bigintOf(randomBytes(SECRET_BYTES)), SECRET_LENGTH) };
}

/** `sp_<kind>_<id>_<secret><checksum>`: a fixed prefix and a CRC-32 that secret scanners can check. */
export function formatToken(token: Token): string {
  const body = `sp_${token.kind}_${token.id.replaceAll('-', '')}_${token.secret}`;
  return body + checksum(body);
}

/**
 * Reads a token and checks its checksum, which tells a mistyped token from an unknown one.
 *
 * @throws CryptoError `token.malformed`, without the text
 */
export function parseToken(text: string, kind: TokenKind): Token {
  const [, foundKind, id, secret, crc] = SHAPE.exec(text) ?? [];
  if (
    id === undefined ||
    secret === undefined ||
    checksum(text.slice(0, -CHECKSUM_LENGTH)) !== crc
  ) {
    throw new CryptoError(
      'token.malformed',
      'the token is incomplete or mistyped: its checksum does not match',
    );
  }
  if (foundKind !== kind) {
    throw new CryptoError('token.malformed', `a token that starts with sp_${kind}_ is needed here`);
  }
  return { kind, id: id.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5'), secret };
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECKSUM_LENGTH);
}

function bigintOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n)
    text = ALPHABET.charAt(Number(rest % 62n)) + text;
  return text;
}
