import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import type { ChainHead } from './audit-chain.ts';
import { CryptoError } from './crypto-error.ts';

/** A key that signs notes (C2SP signed-note), by the name that stands in their signature lines. */
export type NoteSigner = { name: string; privateKey: KeyObject };
/** Its public half. */
export type NoteVerifier = { name: string; publicKey: KeyObject };

const ED25519 = 0x01;
const KEY_NAME = /^[^\s+]{1,128}$/u;
const SIGNATURE_LINE = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/u;
const CHECKPOINT = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*$/;

/**
 * Signs a head as a checkpoint (C2SP tlog-checkpoint): origin, size and hash, each in a line, then the
 * signature (C2SP signed-note, Ed25519). The name of the key is the origin.
 */
export function signCheckpoint(signer: NoteSigner, { position, hash }: ChainHead): string {
  const { name, privateKey } = signer;
  const body = `${name}\n${position}\n${hash}\n`;
  const signature = sign(null, Buffer.from(body), privateKey);
  const id = keyId({ name, publicKey: createPublicKey(privateKey) });
  return `${body}\n— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

/** What a checkpoint says, whoever signed it. @throws CryptoError `checkpoint.malformed` */
export function readCheckpoint(note: string): ChainHead & { origin: string } {
  const [, origin, size, hash] = CHECKPOINT.exec(split(note).body) ?? [];
  if (origin === undefined || size === undefined || hash === undefined)
    throw malformed('it has no origin, size and hash');
  return { origin, position: Number(size), hash };
}

/**
 * What a checkpoint says, once it is known that `verifier` signed it and that it is about this log.
 *
 * @throws CryptoError `checkpoint.malformed`, `checkpoint.unsigned`
 */
export function verifyCheckpoint(verifier: NoteVerifier, note: string): ChainHead {
  const { origin, position, hash } = readCheckpoint(note);
  const { body, signatures } = split(note);
  const id = keyId(verifier);
  const signed = signatures.some(({ name, bytes }) => {
    return (
      name === verifier.name &&
      bytes.subarray(0, 4).equals(id) &&
      verify(null, Buffer.from(body), verifier.publicKey, bytes.subarray(4))
    );
  });
  if (!signed || origin !== verifier.name)
    throw new CryptoError(
      'checkpoint.unsigned',
      'the checkpoint is not signed by the key that was given, or is of another log',
    );
  return { position, hash };
}

/** A public key as text: `name+id+key` (C2SP signed-note, "verifier keys"). */
export function formatVerifierKey(verifier: NoteVerifier): string {
  const key = Buffer.concat([Buffer.of(ED25519), rawKey(verifier.publicKey)]);
  return `${verifier.name}+${keyId(verifier).toString('hex')}+${key.toString('base64')}`;
}

/** Reads what `formatVerifierKey` made. @throws CryptoError `checkpoint.bad_key` */
export function parseVerifierKey(text: string): NoteVerifier {
  const [, name = '', id = '', encoded = ''] =
    /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text.trim()) ?? [];
  const key = Buffer.from(encoded, 'base64');
  if (KEY_NAME.test(name) && key.byteLength === 33 && key[0] === ED25519) {
    const x = key.subarray(1).toString('base64url');
    const jwk = { kty: 'OKP', crv: 'Ed25519', x };
    const verifier = { name, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) };
    if (keyId(verifier).toString('hex') === id) return verifier;
  }
  throw new CryptoError(
    'checkpoint.bad_key',
    'a verifier key is name+id+key, as GET /api/v1/audit/verifier-key shows it',
  );
}

/** The first four bytes of SHA-256 over name, newline, type and key. */
function keyId({ name, publicKey }: NoteVerifier): Buffer {
  return createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.of(ED25519))
    .update(rawKey(publicKey))
    .digest()
    .subarray(0, 4);
}

function rawKey(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
}

/** The signed text with its last newline, and the lines below the empty one. */
function split(note: string): { body: string; signatures: { name: string; bytes: Buffer }[] } {
  const end = note.lastIndexOf('\n\n');
  if (end === -1 || !note.endsWith('\n')) throw malformed('it has no signature');
  const signatures = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => {
      const [, name, bytes] = SIGNATURE_LINE.exec(line) ?? [];
      if (name === undefined || bytes === undefined)
        throw malformed('a line below its text is no signature');
      return { name, bytes: Buffer.from(bytes, 'base64') };
    });
  return { body: note.slice(0, end + 1), signatures };
}

function malformed(reason: string): CryptoError {
  return new CryptoError('checkpoint.malformed', `this is no checkpoint: ${reason}`);
}
