import { hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readKeystore } from '../src/keystore.ts';
import { readTruststore } from '../src/truststore.ts';
import { flipped, NOW_MS, PASSWORD, storeFile, storeRefusal, unlessRefused } from './stores.ts';

const names = ['keystore.jks', 'truststore.jks'] as const;
const readers: Record<(typeof names)[number], (file: Buffer) => Promise<unknown>> = {
  'keystore.jks': (file: Buffer) => readKeystore(file, { password: PASSWORD, nowMs: NOW_MS }),
  'truststore.jks': (file: Buffer) => readTruststore(file, { password: PASSWORD }),
};
const bodyOf = (name: string) => storeFile(name).subarray(0, -20);

/** What somebody who knows the password can make: any body, with the digest that belongs to it. */
function withDigest(body: Buffer): Buffer {
  const key = Buffer.from(PASSWORD, 'utf16le').swap16();
  const digested = Buffer.concat([key, Buffer.from('Mighty Aphrodite'), body]);
  return Buffer.concat([body, hash('sha1', digested, 'buffer')]);
}

describe('[BM-18] a JKS file', () => {
  test.each(names)('%s is refused with any one bit flipped', async (name) => {
    const whole = storeFile(name);
    for (let bit = 0; bit < whole.byteLength * 8; bit += 1) {
      const { code } = await storeRefusal(readers[name](flipped(whole, bit)));
      // The magic bytes are the first four.
      const isMagic = bit < 32;
      expect({ bit, code }).toEqual({
        bit,
        code: isMagic ? 'keystore.format_unknown' : 'certificate.keystore_password_wrong',
      });
    }
  });

  test('whose digest is wrong is refused in words that leave open what is wrong', async () => {
    const { message } = await storeRefusal(
      readers['keystore.jks'](storeFile('truststore.jks')).catch(() =>
        readers['keystore.jks'](flipped(storeFile('keystore.jks'), 900)),
      ),
    );
    expect(message).toBe(
      'The password is not that of the JKS file, or the file is damaged; its format cannot tell which of the two.',
    );
  });

  test('whose key has a password of its own is refused, with the way out', async () => {
    const file = storeFile('other-key-password.jks');
    expect(await storeRefusal(readers['keystore.jks'](file))).toMatchObject({
      code: 'certificate.keystore_password_wrong',
      field: 'password',
      message: expect.stringContaining('keytool -keypasswd'),
    });
  });
});

describe('[F-23] a JKS file of somebody who knows its password', () => {
  test('is taken when nothing was changed in it', async () => {
    const file = withDigest(bodyOf('truststore.jks'));
    expect(file).toEqual(storeFile('truststore.jks'));
  });

  // Where the numbers stand: magic, version, count, then tag, alias `root`, time, `X.509` and a length.
  test.each([
    ['version', 4],
    ['count', 8],
    ['tag', 12],
    ['length of an alias', 16],
    ['length of the name of a type', 30],
    ['length of a certificate', 37],
  ])('is refused at once for a huge %s', async (_, at) => {
    for (const huge of [0xffff_ffff, 0x7fff_ffff, 0x1000_0000]) {
      const body = Buffer.from(bodyOf('truststore.jks'));
      body.writeUInt32BE(huge, at);
      const before = performance.now();
      expect(await storeRefusal(readers['truststore.jks'](withDigest(body)))).toMatchObject({
        code: 'certificate.keystore_malformed',
        field: 'truststore',
      });
      expect(performance.now() - before).toBeLessThan(500);
    }
  });

  test('is refused when an entry is neither a key nor a certificate', async () => {
    // The count, then a tag, an alias without letters and a time.
    const header = bodyOf('truststore.jks').subarray(0, 8);
    const entry = Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 3]), Buffer.alloc(10)]);
    const file = withDigest(Buffer.concat([header, entry]));
    expect(await storeRefusal(readers['truststore.jks'](file))).toMatchObject({
      code: 'certificate.keystore_malformed',
    });
  });

  test('is refused when its key is protected by another algorithm', async () => {
    const body = bodyOf('keystore.jks');
    const protector = Buffer.from('060a2b060104012a02110101', 'hex');
    const last = body.indexOf(protector) + protector.byteLength - 1;
    const file = withDigest(flipped(body, last * 8));
    expect(await storeRefusal(readers['keystore.jks'](file))).toMatchObject({
      code: 'certificate.keystore_malformed',
    });
  });

  test.each(names)('%s is refused when its body ends anywhere, or goes on', async (name) => {
    const body = bodyOf(name);
    for (let length = 4; length < body.byteLength; length += 1)
      expect(await storeRefusal(readers[name](withDigest(body.subarray(0, length))))).toMatchObject(
        { code: 'certificate.keystore_malformed' },
      );
    const longer = withDigest(Buffer.concat([body, Buffer.alloc(1)]));
    expect(await storeRefusal(readers[name](longer))).toMatchObject({
      code: 'certificate.keystore_malformed',
    });
  });

  test.each(names)('%s with any bit flipped is read, or refused by name', async (name) => {
    const body = bodyOf(name);
    const bit = fc.integer({ min: 32, max: body.byteLength * 8 - 1 });
    await fc.assert(
      fc.asyncProperty(bit, async (at) => {
        await unlessRefused(readers[name](withDigest(flipped(body, at))));
      }),
      { numRuns: 500 },
    );
  });
});
