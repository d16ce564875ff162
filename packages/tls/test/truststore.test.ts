import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempDisposable, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StoreType } from '../src/keystore-format.ts';
import { pemBlocks } from '../src/pem.ts';
import { makeSelfSigned } from '../src/self-signed.ts';
import { readTruststore } from '../src/truststore.ts';
import { selfSigned } from './issuer.ts';
import { flipped, PASSWORD, storeFile, storeRefusal, unlessRefused } from './stores.ts';

const execute = promisify(execFile);

type Options = { password?: string | undefined; type?: StoreType };
const read = (file: string | Buffer, options: Options = {}) =>
  readTruststore(typeof file === 'string' ? storeFile(file) : file, {
    password: PASSWORD,
    ...options,
  });
const refusalOf = (file: string | Buffer, options: Options = {}) =>
  storeRefusal(read(file, options), options.password);
const subjects = (pems: string[]) => pems.map((pem) => new X509Certificate(pem).subject).toSorted();

describe('a truststore', () => {
  test.each([
    ['in PEM', 'truststore.pem'],
    ['[BM-16] of OpenSSL in PKCS#12, made without keys,', 'openssl-truststore.p12'],
    ['[BM-16] of keytool in PKCS#12, marked as trusted,', 'keytool-truststore.p12'],
    ['[BM-17] in JKS, known by its first bytes,', 'truststore.jks'],
  ])('%s holds its CAs (%s)', async (_, name) => {
    const trusted = await read(name);
    expect(subjects(trusted)).toEqual(['CN=Fixture ca', 'CN=Fixture root']);
    expect(trusted.toSorted()).toEqual((await read('truststore.pem')).toSorted());
  });

  test.each(['openssl-truststore.p12', 'keytool-truststore.p12', 'truststore.jks'])(
    '[BM-15] %s is refused with a wrong password, which is not echoed, and with none',
    async (name) => {
      for (const password of ['battery staple', ''])
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

  test('[BM-16] in PKCS#12 may be as large as the list of all public CAs', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'truststore-'));
    const [pem, p12] = [join(folder.path, 'many.pem'), join(folder.path, 'many.p12')];
    const hosts = Array.from({ length: 200 }, (_, at) => `${'name'.repeat(10)}${at}.example.org`);
    const many = Array.from({ length: 40 }, () => makeSelfSigned(hosts, Date.now()));
    const certificates = (await Promise.all(many)).map(({ cert }) => cert);
    await writeFile(pem, certificates.join(''));
    await execute('openssl', [
      ...['pkcs12', '-export', '-nokeys', '-in', pem],
      ...['-passout', `pass:${PASSWORD}`, '-out', p12],
    ]);
    expect((await stat(p12)).size).toBeGreaterThan(400_000);
    expect((await read(await readFile(p12))).toSorted()).toEqual(certificates.toSorted());
  });

  test('in PEM needs no password', async () => {
    expect(await readTruststore(storeFile('truststore.pem'))).toHaveLength(2);
  });

  test.each([
    ['keystore.pem', 'truststore.holds_key'],
    ['encrypted.pem', 'truststore.holds_key'],
    ['openssl.p12', 'truststore.holds_key'],
    ['keytool.p12', 'truststore.holds_key'],
    ['keystore.jks', 'truststore.holds_key'],
    ['truststore.jceks', 'keystore.jceks'],
    ['openssl-legacy.p12', 'certificate.keystore_legacy'],
  ])('%s is refused as one: %s', async (name, code) => {
    expect(await refusalOf(name)).toMatchObject({ code, field: 'truststore' });
  });

  test('[BM-17] set to another type is refused, whatever it holds', async () => {
    await expect(read('truststore.jks', { type: 'jks' })).resolves.toHaveLength(2);
    for (const type of ['pem', 'pkcs12'] as const)
      expect(await refusalOf('truststore.jks', { type })).toMatchObject({
        code: 'keystore.other_type',
        field: 'truststore',
      });
  });
});

describe('a certificate in a truststore', () => {
  const pemOf = (...pems: string[]) => Buffer.from(pems.join(''));

  test('may be one that signed itself, and counts once', async () => {
    const alone = (await selfSigned()).chain;
    expect(subjects(await read(pemOf(alone, alone)))).toEqual(['CN=alone']);
  });

  test('that another CA issued to a server is refused: nothing would verify with it', async () => {
    const [leaf] = pemBlocks(storeFile('keystore.pem').toString());
    expect(await refusalOf(pemOf(leaf?.text ?? ''))).toMatchObject({ code: 'truststore.not_ca' });
  });

  test('of a weak key is refused', async () => {
    const { chain } = await selfSigned({ kind: 'RSA-1024' });
    expect(await refusalOf(pemOf(chain))).toMatchObject({ code: 'certificate.key_weak' });
  });

  test('must be there, and no more than 512 of it', async () => {
    const [root] = await read('truststore.pem');
    const pem = root ?? '';
    await expect(read(pemOf(pem.repeat(512)))).resolves.toHaveLength(1);
    const publicKey = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n';
    for (const file of [pemOf(pem.repeat(513)), pemOf(publicKey)])
      expect(await refusalOf(file)).toMatchObject({ code: 'certificate.keystore_incomplete' });
  });
});

describe('[F-23] a damaged truststore', () => {
  test('in PEM, cut off in a certificate, is refused; it never trusts less in silence', async () => {
    const whole = storeFile('truststore.pem');
    const second = whole.lastIndexOf('-----BEGIN CERTIFICATE');
    for (let length = second + 11; length < whole.byteLength - 1; length += 1)
      expect(await refusalOf(whole.subarray(0, length))).toMatchObject({
        code: 'certificate.keystore_malformed',
      });
  });

  test.each(['openssl-truststore.p12', 'truststore.jks'])(
    '%s, cut off at any byte or longer than it was, is refused',
    async (name) => {
      const whole = storeFile(name);
      for (let length = 0; length < whole.byteLength; length += 1)
        await refusalOf(whole.subarray(0, length));
      await refusalOf(Buffer.concat([whole, Buffer.alloc(1)]));
    },
  );

  test.each(['openssl-truststore.p12', 'keytool-truststore.p12', 'truststore.pem'])(
    '%s with any bit flipped is refused by name, or read',
    async (name) => {
      const whole = storeFile(name);
      const trusted = await read(whole);
      const bit = fc.integer({ min: 0, max: whole.byteLength * 8 - 1 });
      await fc.assert(
        fc.asyncProperty(bit, async (at) => {
          const taken = await unlessRefused(read(flipped(whole, at)));
          // PEM has nothing that tells; a CA that was changed signs nothing.
          if (taken !== undefined && !name.endsWith('.pem')) expect(taken).toEqual(trusted);
        }),
        { numRuns: 50 },
      );
    },
  );
});
