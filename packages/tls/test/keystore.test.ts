import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StoreType } from '../src/keystore-format.ts';
import { readKeystore } from '../src/keystore.ts';
import { selfSigned } from './issuer.ts';
import { flipped, NOW_MS, PASSWORD, storeFile, storeRefusal, unlessRefused } from './stores.ts';

const run = promisify(execFile);

type Options = { password?: string | undefined; type?: StoreType; nowMs?: number };
const read = (file: string | Buffer, options: Options = {}) =>
  readKeystore(typeof file === 'string' ? storeFile(file) : file, {
    password: PASSWORD,
    nowMs: NOW_MS,
    ...options,
  });
const refusalOf = (file: string | Buffer, options: Options = {}) =>
  storeRefusal(read(file, options), options.password);

describe('a keystore', () => {
  test.each([
    ['in PEM with an encrypted key', 'encrypted.pem'],
    ['[BM-16] of OpenSSL in PKCS#12', 'openssl.p12'],
    ['[BM-18] of keytool in JKS', 'keystore.jks'],
  ])('%s holds what the same in plain PEM holds (%s)', async (_, name) => {
    const { key, chain, facts } = await read(name);
    expect({ key, chain, facts }).toEqual(await read('keystore.pem', { password: undefined }));
    const [leaf = '', issuer = '', ...others] = chain.split(/(?<=END CERTIFICATE-----\n)/);
    expect(others).toEqual([]);
    expect(new X509Certificate(leaf).checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(new X509Certificate(leaf).checkIssued(new X509Certificate(issuer))).toBe(true);
  });

  test('[BM-16] of keytool in PKCS#12, with the RSA key that it made itself, is read', async () => {
    const { key, facts } = await read('keytool.p12');
    expect(facts).toMatchObject({ subject: 'CN=Fixture of Java', keyAlgorithm: 'RSA-2048' });
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  test.each(['encrypted.pem', 'openssl.p12', 'keytool.p12', 'keystore.jks'])(
    '[BM-15] %s is refused with a wrong password, which is not echoed, and with none',
    async (name) => {
      for (const password of ['battery staple', 'Correct horse', `${PASSWORD} `, ''])
        expect(await refusalOf(name, { password })).toMatchObject({
          code: 'certificate.keystore_password_wrong',
          field: 'password',
        });
      expect(await refusalOf(name, { password: undefined })).toMatchObject({
        code: 'keystore.password_missing',
        field: 'password',
      });
    },
  );

  test.each([
    [
      'openssl-legacy.p12',
      'certificate.keystore_legacy',
      'openssl pkcs12 -export -in new.pem',
      'was-openssl-legacy.p12',
    ],
    [
      'keytool-legacy.p12',
      'certificate.keystore_legacy',
      'keytool -importkeystore',
      'was-keytool-legacy.p12',
    ],
    ['keystore.jceks', 'keystore.jceks', '-srcstoretype JCEKS', 'was-jceks.p12'],
  ])('[BM-16] %s is refused as %s; %s mends it', async (name, code, wayOut, mended) => {
    const message = expect.stringContaining(wayOut);
    expect(await refusalOf(name)).toMatchObject({ code, field: 'keystore', message });
    await expect(read(mended)).resolves.toHaveProperty('key');
  });

  test.each([
    ['triple-des.pem', 'certificate.keystore_legacy'],
    ['traditional.pem', 'certificate.key_encrypted'],
  ])(
    '[BM-16] %s is refused as %s; the command of the refusal mends it as a whole',
    async (name, code) => {
      const refusal = await refusalOf(name);
      expect(refusal).toMatchObject({ code, field: 'keystore' });
      const folder = await mkdtemp(join(tmpdir(), 'sallyport-way-out-'));
      await writeFile(join(folder, 'old.pem'), storeFile(name));
      const [, command = ''] = /make it again with (.*)$/.exec(refusal.message) ?? [];
      const typed = command.replace('openssl pkcs8', '$& -passin env:WORDS -passout env:WORDS');
      await run('sh', ['-c', typed], { cwd: folder, env: { ...process.env, WORDS: PASSWORD } });
      const mended = await readFile(join(folder, 'new.pem'));
      await rm(folder, { recursive: true });
      expect(await read(mended)).toEqual(await read('encrypted.pem'));
    },
  );

  test.each([
    ['truststore.pem', 'certificate.key_malformed'],
    ['openssl-truststore.p12', 'certificate.keystore_incomplete'],
    ['truststore.jks', 'certificate.keystore_incomplete'],
    ['two-keys.jks', 'certificate.keystore_incomplete'],
    ['costly.pem', 'certificate.keystore_too_costly'],
  ])('%s is refused: %s', async (name, code) => {
    expect(await refusalOf(name)).toMatchObject({ code, field: 'keystore' });
  });

  test('of a key without a certificate, or with that of another, is refused', async () => {
    const { key } = await read('keystore.pem');
    const { chain } = await read('keytool.p12');
    expect(await refusalOf(Buffer.from(key))).toMatchObject({
      code: 'certificate.keystore_incomplete',
    });
    expect(await refusalOf(Buffer.from(key + chain))).toMatchObject({
      code: 'certificate.key_mismatch',
      field: 'keystore',
    });
  });

  test('is refused for what an upload is: a weak key, and a certificate at its end', async () => {
    const { chain, key } = await selfSigned({ kind: 'RSA-1024' });
    expect(await refusalOf(Buffer.from(chain + key), { nowMs: Date.now() })).toMatchObject({
      code: 'certificate.key_weak',
    });
    expect(await refusalOf('keystore.jks', { nowMs: Date.UTC(2130, 0) })).toMatchObject({
      code: 'certificate.expired',
    });
  });
});

describe('the type of a keystore', () => {
  const files = { pem: 'encrypted.pem', pkcs12: 'openssl.p12', jks: 'keystore.jks' } as const;

  test.each(['pem', 'pkcs12', 'jks'] as const)('%s takes its own files alone', async (type) => {
    for (const [other, name] of Object.entries(files)) {
      if (other === type) await expect(read(name, { type })).resolves.toHaveProperty('key');
      else
        expect(await refusalOf(name, { type })).toMatchObject({
          code: 'keystore.other_type',
          field: 'keystore',
          message: expect.stringContaining(`set the type to ${other} or to auto`),
        });
    }
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from([0x30])],
    ['text', Buffer.from('keystore')],
    ['a certificate in DER', new X509Certificate(storeFile('truststore.pem')).raw],
  ])('is unknown of %s, which is refused', async (_, file) => {
    expect(await refusalOf(file)).toMatchObject({ code: 'keystore.format_unknown' });
  });
});

describe('[F-23] a hostile keystore', () => {
  test('of more than a mebibyte is refused unread', async () => {
    const file = Buffer.alloc(1_048_577, storeFile('keystore.pem'));
    expect(await refusalOf(file)).toMatchObject({ code: 'keystore.too_large' });
  });

  test.each(['-----BEGIN A-----\n', '-----BEGIN A', '-a', '-----END A-----', '----'])(
    'of a mebibyte of %j is refused at once',
    async (repeated) => {
      const file = Buffer.alloc(1_048_576, repeated);
      file.write('-----BEGIN PRIVATE KEY-----');
      const before = performance.now();
      expect(await refusalOf(file)).toMatchObject({ field: 'keystore' });
      expect(performance.now() - before).toBeLessThan(500);
    },
  );

  test.each(['keystore.pem', 'encrypted.pem', 'openssl.p12', 'keystore.jks'])(
    '%s, cut off at any byte, is refused',
    async (name) => {
      const whole = storeFile(name);
      // The last byte of PEM is the end of its last line.
      const end = whole.byteLength - (name.endsWith('.pem') ? 1 : 0);
      for (let length = 0; length < end; length += 1) await refusalOf(whole.subarray(0, length));
    },
  );

  test.each(['openssl.p12', 'keytool.p12', 'keystore.jks'])(
    '%s with bytes after its end is refused',
    async (name) => {
      await refusalOf(Buffer.concat([storeFile(name), Buffer.alloc(1)]));
      await refusalOf(Buffer.concat([storeFile(name), storeFile(name)]));
    },
  );

  test('in PEM with any bit flipped is refused by name, or says what the whole one says', async () => {
    const whole = storeFile('encrypted.pem');
    const { key, facts } = await read(whole);
    // Only a peer, which has the root, can tell that the intermediate was changed where it vouches for nothing.
    const bit = fc.integer({ min: 0, max: whole.byteLength * 8 - 1 });
    await fc.assert(
      fc.asyncProperty(bit, async (at) => {
        const taken = await unlessRefused(read(flipped(whole, at)));
        if (taken !== undefined) expect(taken).toMatchObject({ key, facts });
      }),
      { numRuns: 300 },
    );
  });
});
