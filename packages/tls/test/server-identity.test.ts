import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { keyAlgorithmOf } from '../src/certificate-facts.ts';
import { readServerIdentity } from '../src/server-identity.ts';
import { hasStrongSignature } from '../src/signature-strength.ts';
import { isValidAt } from '../src/validity.ts';
import { Issuer, selfSigned, withTime, type IssuedLeaf } from './issuer.ts';

const now = Date.now();
const day = 24 * 3_600_000;
let root: Issuer;
let middle: Issuer;
let lower: Issuer;
let leaf: IssuedLeaf;
beforeAll(async () => {
  root = await Issuer.root();
  middle = await root.intermediate('CN=Middle');
  lower = await middle.intermediate('CN=Lower');
  leaf = await lower.leaf({ names: [{ type: 'dns', value: 'Server.test' }] });
});

const read = ({ chain, key }: { chain: string; key: string }, at = now) =>
  readServerIdentity({ chain, key }, at);

/** The refusal, which must quote nothing of the key or chain. */
async function refusalOf(input: { chain: string; key: string }, at = now) {
  const error: unknown = await read(input, at).then(
    () => undefined,
    (refusal: unknown) => refusal,
  );
  if (!Error.isError(error) || !('code' in error) || !('field' in error))
    throw new Error('it was not refused', { cause: error });
  const said = `${error.message}${String(error.cause)}`;
  for (const line of `${input.chain}${input.key}`
    .split('\n')
    .filter((text) => /^[\w+/=]{40}/.test(text)))
    expect(said).not.toContain(line);
  return { code: error.code, field: error.field };
}

describe('a chain', () => {
  test('[A7-11] is read with what it says of itself', async () => {
    const names = [
      { type: 'dns' as const, value: 'Server.test' },
      { type: 'dns' as const, value: '*.server.test' },
      { type: 'ip' as const, value: '10.0.0.1' },
      { type: 'ip' as const, value: '2001:db8::1' },
      { type: 'url' as const, value: 'spiffe://example.test/web' },
    ];
    const made = await lower.leaf({ names, kind: 'P-384' });
    const { facts } = await read(made);
    const parsed = new X509Certificate(made.chain);
    expect(facts).toEqual({
      subject: 'CN=server',
      issuer: 'CN=Lower',
      serialNumber: parsed.serialNumber,
      dnsNames: ['server.test', '*.server.test'],
      ipAddresses: ['10.0.0.1', '2001:db8::1'],
      uris: ['spiffe://example.test/web'],
      notBefore: parsed.validFromDate,
      notAfter: parsed.validToDate,
      fingerprint: `SHA256:${parsed.fingerprint256}`,
      keyAlgorithm: 'EC-P-384',
    });
  });

  test.each([
    ['in order', ([a, b, c]: string[]) => [a, b, c]],
    ['in reverse', ([a, b, c]: string[]) => [c, b, a]],
    ['with a certificate twice', ([a, b, c]: string[]) => [b, a, b, c]],
    ['with text around its blocks', ([a, b, c]: string[]) => [`subject=x\n${a}`, b, `Bag\n\n${c}`]],
  ])('%s is taken, and comes out in order', async (_, arrange) => {
    const chain = arrange(leaf.parts).join('');
    expect((await read({ chain, key: leaf.key })).chain).toBe(leaf.chain);
  });

  test('may bring its root, and a self-signed certificate is its own chain', async () => {
    const whole = leaf.chain + root.pem;
    expect((await read({ chain: root.pem + leaf.chain, key: leaf.key })).chain).toBe(whole);
    expect((await read(await selfSigned())).facts.issuer).toBe('CN=alone');
  });

  test.each([
    ['without its intermediates', ([a]: string[]) => [a], 'chain_incomplete'],
    ['with a gap below the top', ([a, , c]: string[]) => [a, c], 'chain_incomplete'],
    ['without a certificate', () => ['hello'], 'chain_malformed'],
    ['with the key in it', ([a, b]: string[]) => [a, b, leaf.key], 'chain_malformed'],
    [
      'cut off in a block',
      ([a]: string[]) => [a?.replace(/.{80}\n-----END/s, '\n-----END')],
      'chain_malformed',
    ],
    [
      'of eleven certificates',
      ([a]: string[]) => Array.from({ length: 11 }, () => a),
      'chain_too_long',
    ],
  ])('%s is refused', async (_, arrange, code) => {
    const chain = arrange(leaf.parts).join('');
    expect(await refusalOf({ chain, key: leaf.key })).toEqual({
      code: `certificate.${code}`,
      field: 'chain',
    });
  });

  test('with a certificate of another chain is refused, once its own is complete', async () => {
    const { chain: other } = await selfSigned();
    expect(await refusalOf({ chain: leaf.chain + root.pem + other, key: leaf.key })).toMatchObject({
      code: 'certificate.chain_unrelated',
    });
    expect(await refusalOf({ chain: leaf.chain + other, key: leaf.key })).toMatchObject({
      code: 'certificate.chain_incomplete',
    });
  });

  test('with the key of a CA in it is refused for the key, wherever in the chain that CA is', async () => {
    const chain = leaf.chain + root.pem;
    for (const ca of [root, middle, lower])
      expect(await refusalOf({ chain, key: await ca.key() })).toEqual({
        code: 'certificate.key_mismatch',
        field: 'key',
      });
  });

  test('whose intermediate has the right name and another key, or is no CA, is refused', async () => {
    const impostor = await root.intermediate('CN=Lower');
    const forged = [leaf.parts[0], impostor.pem].join('');
    const code = 'certificate.chain_invalid';
    expect(await refusalOf({ chain: forged, key: leaf.key })).toMatchObject({ code });
    const noCa = await root.intermediate('CN=no CA', false);
    expect(await refusalOf(await noCa.leaf())).toMatchObject({ code });
  });

  test('is refused outside its validity, at the very second, and taken inside it', async () => {
    const until = new Date(Math.floor(now / 1000) * 1000 + day);
    const made = await lower.leaf({
      notBefore: new Date(until.getTime() - 2 * day),
      notAfter: until,
    });
    await read(made, until.getTime() - 1);
    const at = (ms: number) => isValidAt(new X509Certificate(made.chain), until.getTime() + ms);
    expect([-2 * day - 1, -2 * day, -1, 0].map(at)).toEqual([false, true, true, false]);
    expect(await refusalOf(made, until.getTime())).toMatchObject({ code: 'certificate.expired' });
    expect(await refusalOf(made, until.getTime() - 2 * day - 1)).toMatchObject({
      code: 'certificate.not_yet_valid',
    });
  });

  test('[F-23] with a key of a kind that nobody knows is refused', async () => {
    const whole = `${leaf.chain}${root.pem}`;
    const der = new X509Certificate(middle.pem).raw;
    // The OID of keys on elliptic curves, with another last arc.
    der.writeUInt8(9, der.indexOf('06072a8648ce3d0201', 'hex') + 8);
    const odd = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
    for (const chain of [whole.replace(middle.pem, odd), odd + whole])
      expect(await refusalOf({ chain, key: leaf.key })).toEqual({
        code: 'certificate.chain_malformed',
        field: 'chain',
      });
  });

  test.each([
    ['since what is no time', '20600101000000Z', '20601399999999Z'],
    ['since the year 0, which nothing stores', '20600101000000Z', '00000101000000Z'],
    ['until what is no time', '20700101000000Z', 'for a long time'],
    ['until what is half a time', '20700101000000Z', '207001010000Z  '],
  ])('that is valid %s is refused', async (_, time, other) => {
    const made = await selfSigned({
      kind: 'Ed25519',
      notBefore: new Date('2060-01-01'),
      notAfter: new Date('2070-01-01'),
    });
    const at = Date.parse('2065-01-01');
    await read(made, at);
    const chain = withTime(made, time, other);
    expect(await refusalOf({ chain, key: made.key }, at)).toMatchObject({
      code: 'certificate.chain_malformed',
    });
  });

  test.each([
    ['no subject alternative name', { names: [] }, 'no_names'],
    ['a mail address alone', { names: [{ type: 'email', value: 'a@b.test' }] }, 'no_names'],
    [
      'a name that pretends to be two',
      { names: [{ type: 'dns', value: 'a.test, DNS:b.test' }] },
      'chain_malformed',
    ],
    ['an RSA key of 1024 bits', { kind: 'RSA-1024' }, 'key_weak'],
    ['a signature over SHA-1', { hash: 'SHA-1' }, 'signature_weak'],
  ] as const)('whose leaf has %s is refused', async (_, options, code) => {
    const {
      names,
      ...rest
    }: {
      names?: readonly { type: 'dns' | 'email'; value: string }[];
      kind?: 'RSA-1024';
      hash?: 'SHA-1';
    } = options;
    const made = await lower.leaf({
      ...rest,
      ...(names === undefined ? {} : { names: [...names] }),
    });
    expect(await refusalOf(made)).toMatchObject({ code: `certificate.${code}` });
  });

  test('[F-23] whose signature has damaged parameters is not taken for strong', async () => {
    const { chain, key } = await selfSigned({ kind: 'RSA-PSS' });
    await read({ chain, key });
    const der = new X509Certificate(chain).raw;
    expect(hasStrongSignature(new X509Certificate(der))).toBe(true);
    // What holds SHA-256 becomes a text of four bytes for each character.
    der.writeUInt8(0x1c, der.indexOf('0609608648016503040201', 'hex') - 4);
    expect(hasStrongSignature(new X509Certificate(der))).toBe(false);
  });

  test('[F-23] over SHA-256 whose padding is made of SHA-1 is not taken for strong', async () => {
    const der = new X509Certificate((await selfSigned({ kind: 'RSA-PSS' })).chain).raw;
    const sha1 = Buffer.from('06052b0e03021a04020000', 'hex');
    sha1.copy(der, der.lastIndexOf(Buffer.from('0609608648016503040201', 'hex')));
    expect(hasStrongSignature(new X509Certificate(der))).toBe(false);
  });

  test('a self-signed one over SHA-1 is refused too', async () => {
    expect(await refusalOf(await selfSigned({ hash: 'SHA-1' }))).toMatchObject({
      code: 'certificate.signature_weak',
    });
  });
});

describe('a key', () => {
  test.each(['P-256', 'P-384', 'Ed25519', 'RSA-2048'] as const)(
    'of kind %s is taken',
    async (kind) => {
      const made = await lower.leaf({ kind });
      const { key, facts } = await read(made);
      expect(key).toBe(made.key);
      expect(facts.keyAlgorithm).toBe(kind.startsWith('P-') ? `EC-${kind}` : kind);
    },
  );

  test('in the older forms is taken, and comes out as PKCS#8', async () => {
    const key = createPrivateKey(leaf.key).export({ format: 'pem', type: 'sec1' }).toString();
    const parameters =
      '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    expect((await read({ chain: leaf.chain, key: parameters + key })).key).toBe(leaf.key);
  });

  test('of RSA is taken up to 8192 bits, as longer ones cost whoever verifies', () => {
    const ofBits = (bits: number) => {
      const n = Buffer.alloc(bits / 8, 0xff).toString('base64url');
      return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
    };
    expect(keyAlgorithmOf(ofBits(8192))).toBe('RSA-8192');
    expect(() => keyAlgorithmOf(ofBits(8200))).toThrow(
      expect.objectContaining({ code: 'certificate.key_weak' }),
    );
  });

  test('of another certificate is refused', async () => {
    const { key } = await lower.leaf();
    expect(await refusalOf({ chain: leaf.chain, key })).toEqual({
      code: 'certificate.key_mismatch',
      field: 'key',
    });
  });

  test('whose private half is damaged is refused, though its public half is right', async () => {
    const der = createPrivateKey(leaf.key).export({ format: 'der', type: 'pkcs8' });
    // The private number stands after 36 bytes of structure.
    der.writeUInt8(der.readUInt8(40) ^ 1, 40);
    const key = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
    expect(await refusalOf({ chain: leaf.chain, key })).toMatchObject({ field: 'key' });
  });

  test('that is encrypted is refused by name, in both forms', async () => {
    const cipher = { format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
    for (const type of ['pkcs8', 'sec1'] as const) {
      const key = createPrivateKey(leaf.key)
        .export({ ...cipher, type })
        .toString();
      expect(await refusalOf({ chain: leaf.chain, key })).toEqual({
        code: 'certificate.key_encrypted',
        field: 'key',
      });
    }
  });

  test.each([
    ['missing', () => ''],
    ['given twice', () => leaf.key + leaf.key],
    ['cut off', () => leaf.key.replace(/.{30}\n-----END/s, '\n-----END')],
    ['a public key', () => leaf.key.replaceAll('PRIVATE', 'PUBLIC')],
  ])('that is %s is refused', async (_, keyOf) => {
    expect(await refusalOf({ chain: leaf.chain, key: keyOf() })).toEqual({
      code: 'certificate.key_malformed',
      field: 'key',
    });
  });
});
