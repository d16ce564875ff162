import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readServerIdentity } from '../src/server-identity.ts';

const PASSWORD = 'correct horse';
const fixture = (name: string) =>
  readFileSync(join(import.meta.dirname, 'fixtures', `${name}.p12`));
const read = (pkcs12: Uint8Array, password = PASSWORD) =>
  readServerIdentity({ pkcs12, password }, Date.UTC(2030, 0));
const refusalOf = async (pkcs12: Uint8Array, password = PASSWORD) =>
  read(pkcs12, password).then(
    () => 'taken',
    (error: unknown) => error,
  );

describe('a PKCS#12 file', () => {
  test.each(['modern', 'iterated', 'sha512'])(
    '%s.p12 is opened, its chain in order',
    async (name) => {
      const { chain, key, facts } = await read(fixture(name));
      expect(chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
      expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
      expect(facts).toMatchObject({ subject: 'CN=Fixture leaf', issuer: 'CN=Fixture ca' });
    },
  );

  test('of Java is opened', async () => {
    expect((await read(fixture('keytool'))).facts.dnsNames).toEqual(['fixture.test']);
  });

  test.each(['', 'Correct horse', `${PASSWORD} `, 'pässword', '\u{1f511}'])(
    'is refused with the password %j, which is not echoed',
    async (password) => {
      const error = await refusalOf(fixture('modern'), password);
      expect(error).toMatchObject({
        code: 'certificate.keystore_password_wrong',
        field: 'password',
        message: 'The password is not that of the PKCS#12 file, or the file is damaged.',
      });
    },
  );

  test('whose certificate has expired is refused as the file, which is all that was given', async () => {
    const expired = readServerIdentity(
      { pkcs12: fixture('modern'), password: PASSWORD },
      Date.UTC(9999, 0),
    );
    await expect(expired).rejects.toMatchObject({ code: 'certificate.expired', field: 'pkcs12' });
  });

  test.each(['legacy', 'triple-des'])(
    '%s.p12 is refused by name, with the way out',
    async (name) => {
      expect(await refusalOf(fixture(name))).toMatchObject({
        code: 'certificate.keystore_legacy',
        message: expect.stringContaining('openssl pkcs12 -export'),
      });
    },
  );

  test('without a MAC is refused: nothing would tell that it was changed', async () => {
    expect(await refusalOf(fixture('no-mac'))).toMatchObject({
      code: 'certificate.keystore_malformed',
    });
  });
});

describe('[F-23] a hostile PKCS#12 file', () => {
  test('that asks for more iterations than a second’s work is refused before any is done', async () => {
    const asked = Buffer.from([0x02, 0x03, 0x06, 0x1a, 0x80]);
    const bombs = [fixture('bomb')];
    // The same file, with each of its counts that stand in the clear raised to 8 million.
    for (
      let at = bombs[0]?.indexOf(asked) ?? -1;
      at >= 0;
      at = fixture('bomb').indexOf(asked, at + 1)
    ) {
      const raised = fixture('bomb');
      raised.set([0x7f, 0xff, 0xff], at + 2);
      bombs.push(raised);
    }
    expect(bombs).toHaveLength(4);
    for (const bomb of bombs) {
      const before = process.cpuUsage();
      expect(await refusalOf(bomb)).toMatchObject({ code: 'certificate.keystore_too_costly' });
      // Processor time, of which 8 million take more than a second, however busy the machine is.
      const { user, system } = process.cpuUsage(before);
      expect(user + system).toBeLessThan(500_000);
    }
  });

  test('leaves the event loop to others all the while, however many iterations are allowed', async () => {
    let turns = 0;
    let turning = true;
    const turn = () => {
      turns += 1;
      if (turning) setImmediate(turn);
    };
    turn();
    // Only the MAC is made: 100,000 iterations, in turns of 2,000. What keys need is made elsewhere.
    await refusalOf(fixture('iterated'), 'wrong');
    turning = false;
    expect(turns).toBeGreaterThan(45);
  });

  test('nested a thousand levels deep, in either form of length, is refused', async () => {
    const deep = Buffer.concat([Buffer.from('3080'.repeat(30_000), 'hex'), Buffer.alloc(60_000)]);
    let definite = Buffer.alloc(0);
    for (let level = 0; level < 1_000; level += 1) {
      const length = Buffer.from([
        0x30,
        0x82,
        definite.byteLength >> 8,
        definite.byteLength & 0xff,
      ]);
      definite = Buffer.concat([length, definite]);
    }
    for (const file of [deep, definite])
      expect(await refusalOf(file)).toMatchObject({ code: 'certificate.keystore_malformed' });
  });

  test('with any bit flipped, or cut off anywhere, is refused or says what the whole one says', async () => {
    const whole = fixture('modern');
    const { chain, key } = await read(whole);
    const flip = fc.integer({ min: 0, max: whole.byteLength * 8 - 1 }).map((bit) => {
      const flipped = Buffer.from(whole);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return flipped;
    });
    const cut = fc
      .integer({ min: 0, max: whole.byteLength - 1 })
      .map((end) => whole.subarray(0, end));
    await fc.assert(
      fc.asyncProperty(fc.oneof(flip, cut, fc.uint8Array({ maxLength: 200 })), async (file) => {
        const outcome = await read(Buffer.from(file)).catch((error: unknown) => error);
        if (!Error.isError(outcome)) expect(outcome).toMatchObject({ chain, key });
        else
          expect(outcome).toMatchObject({ code: expect.stringMatching(/^certificate\.keystore_/) });
      }),
      { numRuns: 300 },
    );
  });

  test('with a bit of its content flipped is refused, every time', async () => {
    for (let at = 60; at < 1_400; at += 41) {
      const flipped = fixture('modern');
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
      expect({ at, outcome: await refusalOf(flipped) }).toMatchObject({
        outcome: { code: expect.stringMatching(/^certificate\.keystore_/) },
      });
    }
  });
});
