import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  formatVerifierKey,
  parseVerifierKey,
  readCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from './checkpoint.ts';

/** A verifier key that the documentation of golang.org/x/mod/sumdb/note shows. */
const VERIFIER_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';

const key = generateKeyPairSync('ed25519');
const signer = { name: 'sallyport.audit/1', privateKey: key.privateKey };
const verifier = { name: signer.name, publicKey: key.publicKey };
const head = { position: 42, hash: Buffer.alloc(32, 7).toString('base64') };

describe('a checkpoint', () => {
  test('has the lines of C2SP tlog-checkpoint, and says what was signed', () => {
    const note = signCheckpoint(signer, head);
    const lines = note.split('\n');
    expect(lines.slice(0, 4)).toEqual([signer.name, '42', head.hash, '']);
    expect(lines[4]).toMatch(/^— sallyport\.audit\/1 [A-Za-z0-9+/]{91}=$/);
    expect(lines.slice(5)).toEqual(['']);
    expect(verifyCheckpoint(verifier, note)).toEqual(head);
    expect(readCheckpoint(note)).toEqual({ origin: signer.name, ...head });
  });

  test.each([
    ['another size', (note: string) => note.replace('42', '41')],
    ['another hash', (note: string) => note.replace('BwcH', 'CwcH')],
    ['another origin', (note: string) => note.replace('audit/1\n', 'audit/2\n')],
    ['another signature', (note: string) => note.replace(/(.{8})=\n$/, 'AAAAAAAA=\n')],
    ['the name of another signer', (note: string) => note.replace('— sallyport', '— other')],
    ['the id of another key', (note: string) => note.replace(/(— \S+ )..../, '$1AAAA')],
  ])('with %s is not signed', (_, change) => {
    const note = signCheckpoint(signer, head);
    expect(change(note)).not.toBe(note);
    expect(() => verifyCheckpoint(verifier, change(note))).toThrow(
      expect.objectContaining({ code: 'checkpoint.unsigned' }),
    );
  });

  test('of another key of the same name is not signed', () => {
    const other = generateKeyPairSync('ed25519').privateKey;
    const note = signCheckpoint({ ...signer, privateKey: other }, head);
    expect(() => verifyCheckpoint(verifier, note)).toThrow(
      expect.objectContaining({ code: 'checkpoint.unsigned' }),
    );
  });

  test('of another log is refused, though the same key signed it', () => {
    const [, ...lines] = signCheckpoint(signer, head).split('\n');
    const body = ['another.log', ...lines.slice(0, 2), ''].join('\n');
    const id = Buffer.from(formatVerifierKey(verifier).split('+')[1] ?? '', 'hex');
    const signature = Buffer.concat([id, sign(null, Buffer.from(body), key.privateKey)]);
    const note = `${body}\n— ${signer.name} ${signature.toString('base64')}\n`;
    expect(readCheckpoint(note)).toMatchObject({ origin: 'another.log' });
    expect(() => verifyCheckpoint(verifier, note)).toThrow(
      expect.objectContaining({ code: 'checkpoint.unsigned' }),
    );
  });

  test('is found among the signatures of others, who are passed over', () => {
    const note = signCheckpoint(signer, head);
    const cosigned = note.replace('\n\n', `\n\n— witness.example ${'A'.repeat(92)}\n`);
    expect(verifyCheckpoint(verifier, cosigned)).toEqual(head);
  });

  test.each([
    ['', 'nothing'],
    ['a\n1\n', 'no signature'],
    [`a\n01\n${head.hash}\n\n— a AAAA\n`, 'a size with a zero before it'],
    [`a\n1\nshort\n\n— a AAAA\n`, 'a short hash'],
    [`a\n1\n${head.hash}\n\n- a AAAA\n`, 'no dash'],
    [`a\n1\n${head.hash}\n\n— a AAA=`, 'no end of the last line'],
    [`a\n1\n${head.hash}\n\n— a AAA=A\n`, 'more after the signature'],
  ])('%j is none: %s', (note) => {
    expect(() => readCheckpoint(note)).toThrow(
      expect.objectContaining({ code: 'checkpoint.malformed' }),
    );
  });
});

describe('a verifier key', () => {
  test('reads back as what it was', () => {
    const text = formatVerifierKey(verifier);
    expect(text).toMatch(/^sallyport\.audit\/1\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}$/);
    expect(formatVerifierKey(parseVerifierKey(`${text}\n`))).toBe(text);
  });

  test('is of the published form: the id of a key that another implementation made is accepted', () => {
    expect(formatVerifierKey(parseVerifierKey(VERIFIER_KEY))).toBe(VERIFIER_KEY);
  });

  test.each([
    'name',
    'name+00000000+AAAA',
    formatVerifierKey(verifier).replace(/\+[0-9a-f]{8}\+/, '+00000000+'),
    formatVerifierKey(verifier).replace('audit/1', 'audit/2'),
    // A key of another kind, one byte too long, and a name too long.
    formatVerifierKey(verifier).replace(/\+A(?=.{43}$)/, '+B'),
    formatVerifierKey(verifier).replace(/$/, 'AAA='),
    formatVerifierKey({ ...verifier, name: 'x'.repeat(129) }),
  ])('%s is none', (text) => {
    expect(() => parseVerifierKey(text)).toThrow(
      expect.objectContaining({ code: 'checkpoint.bad_key' }),
    );
  });
});
