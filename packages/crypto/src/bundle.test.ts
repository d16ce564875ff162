import { beforeAll, describe, expect, test } from '@jest/globals';
import type { BundleManifest } from '@sallyport/contract';
import { CompactEncrypt, CompactSign } from 'jose';
import { flipBit } from '../test/flip-bit.ts';
import { keyringOf, newSigningKey } from '../test/signing-keys.ts';
import { encodeBundlePayload, type BundlePayload } from './bundle-payload.ts';
import { openBundlePart, sealBundlePart, type VerificationKeyring } from './bundle.ts';
import { generateDeliveryKey, type DeliveryKey } from './delivery-key.ts';
import type { SigningKey } from './signing-key.ts';

const group = '01890a5d-ac96-774b-bcce-b302099a8057';
const otherGroup = '01890a5d-ac96-774b-bcce-b302099a8058';
const secret = Buffer.from('canary-4711');

function payload(changes: Partial<BundleManifest> = {}): BundlePayload {
  const entries = [
    { kind: 'secret' as const, name: 'db/password', version: 3, length: secret.byteLength },
  ];
  const manifest = {
    part: 'durable' as const,
    group,
    revision: 9,
    epoch: 2,
    issuedAt: '2030-01-01T00:00:00.000Z',
    hasLive: false,
  };
  return { manifest: { ...manifest, entries, ...changes }, values: [secret] };
}

describe('a part of a bundle', () => {
  let signer: SigningKey;
  let keyring: VerificationKeyring;
  const delivery = generateDeliveryKey(group, 2);
  const opening = async (jwe: string, with_: DeliveryKey = delivery, keys = keyring) =>
    openBundlePart(jwe, 'durable', with_, keys);

  beforeAll(async () => {
    signer = await newSigningKey();
    keyring = keyringOf(await newSigningKey(), signer);
  });

  test('opens with the group’s delivery key and a known signing key, as it was sealed', async () => {
    const { manifest, values } = await opening(await sealBundlePart(payload(), signer, delivery));
    expect(manifest).toEqual(payload().manifest);
    expect(values.map((value) => Buffer.from(value))).toEqual([secret]);
  });

  test('shows no value in any of its bytes', async () => {
    const jwe = await sealBundlePart(payload(), signer, delivery);
    expect(
      jwe.split('.').map((segment) => Buffer.from(segment, 'base64url').includes(secret)),
    ).not.toContain(true);
  });

  test('[F-03] is refused with one bit of its text flipped, whichever it is', async () => {
    const text = Buffer.from(await sealBundlePart(payload(), signer, delivery), 'latin1');
    const bits = Array.from({ length: text.byteLength * 8 }, (_, bit) => bit);
    const outcomes = await Promise.all(
      bits.map((bit) => outcomeOf(opening(flipBit(text, bit).toString('latin1')))),
    );
    expect(new Set(outcomes)).toEqual(new Set(['bundle.unreadable']));
  });

  test('[F-03] is refused when cut at any point, or lengthened', async () => {
    const jwe = await sealBundlePart(payload(), signer, delivery);
    const cuts = Array.from({ length: jwe.length }, (_, length) => jwe.slice(0, length));
    const longer = [`${jwe}A`, `${jwe}.`, `${jwe}\n`, ` ${jwe}`];
    const outcomes = await Promise.all(
      [...cuts, ...longer].map((text) => outcomeOf(opening(text))),
    );
    expect(new Set(outcomes)).toEqual(new Set(['bundle.unreadable']));
  });

  test.each([
    ['a part of the other kind', { part: 'live' }, 'bundle.wrong_part'],
    ['another group’s, sealed with this group’s key', { group: otherGroup }, 'bundle.wrong_group'],
    ['of another epoch, sealed with this epoch’s key', { epoch: 1 }, 'bundle.wrong_epoch'],
  ] as const)('is refused when it is %s', async (_, changes, code) => {
    await expect(
      opening(await sealBundlePart(payload(changes), signer, delivery)),
    ).rejects.toMatchObject({ code });
  });

  test('[A7-09] does not open with the delivery key of another group or epoch', async () => {
    const jwe = await sealBundlePart(payload(), signer, delivery);
    for (const other of [
      generateDeliveryKey(group, 2),
      generateDeliveryKey(otherGroup, 2),
      generateDeliveryKey(group, 3),
    ]) {
      await expect(opening(jwe, other)).rejects.toMatchObject({ code: 'bundle.unreadable' });
    }
  });

  test('is refused when an unknown key signed it, or a known one is named that did not', async () => {
    const stranger = await newSigningKey();
    for (const impostor of [stranger, { ...stranger, thumbprint: signer.thumbprint }]) {
      const jwe = await sealBundlePart(payload(), impostor, delivery);
      await expect(opening(jwe)).rejects.toMatchObject({ code: 'bundle.unsigned' });
    }
  });

  describe('sealed by someone who holds the delivery key but no signing key', () => {
    const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const plain = encodeBundlePayload(payload());
    const typ = 'sallyport-bundle';

    async function sealUnsigned(content: Uint8Array): Promise<string> {
      return new CompactEncrypt(content)
        .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM', cty: 'JWS', epoch: 2 })
        .encrypt(delivery.key);
    }

    test('is refused without a signature', async () => {
      const none = `${segment({ alg: 'none', typ, kid: signer.thumbprint })}.${plain.toString('base64url')}.`;
      for (const content of [plain, Buffer.from(none), Buffer.alloc(0)]) {
        await expect(opening(await sealUnsigned(content))).rejects.toMatchObject({
          code: 'bundle.unsigned',
        });
      }
    });

    test('is refused when the public key is the secret of an HMAC', async () => {
      const jws = await new CompactSign(plain)
        .setProtectedHeader({ alg: 'HS256', typ, kid: signer.thumbprint })
        .sign(Buffer.from(signer.publicJwk.x, 'base64url'));
      await expect(opening(await sealUnsigned(Buffer.from(jws)))).rejects.toMatchObject({
        code: 'bundle.unsigned',
      });
    });

    test.each([
      ['as something else', { typ: 'at+jwt' }],
      ['without a type', {}],
    ])('is refused when the control plane signed it %s', async (_, header) => {
      const jws = await new CompactSign(plain)
        .setProtectedHeader({ alg: 'EdDSA', kid: signer.thumbprint, ...header })
        .sign(signer.privateKey);
      await expect(opening(await sealUnsigned(Buffer.from(jws)))).rejects.toMatchObject({
        code: 'bundle.unsigned',
      });
    });
  });

  test('is refused when its content key is wrapped in a way that was not agreed', async () => {
    const direct = await new CompactEncrypt(Buffer.from('x'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(delivery.key);
    await expect(opening(direct)).rejects.toMatchObject({ code: 'bundle.unreadable' });
  });

  test('never tells a value in an error', async () => {
    const jwe = await sealBundlePart(payload({ part: 'live' }), signer, delivery);
    await expect(opening(jwe)).rejects.not.toThrow(secret.toString());
  });
});

async function outcomeOf(opening: Promise<unknown>): Promise<unknown> {
  return opening.then(
    () => 'opened',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}
