import { beforeAll, describe, expect, test } from '@jest/globals';
import type { OfflineBundle } from '@sallyport/contract';
import fc from 'fast-check';
import { newSigningKey } from '../test/signing-keys.ts';
import type { VerificationKeyring } from './bundle.ts';
import { signCompactJws } from './compact.ts';
import { openOfflineBundle, signOfflineBundle } from './offline-bundle.ts';
import { importVerificationKey, type SigningKey } from './signing-key.ts';

describe('[SG-13] a bundle that is carried by hand', () => {
  let signer: SigningKey;
  let other: SigningKey;
  let keyring: VerificationKeyring;
  let bundle: OfflineBundle;
  let jws: Buffer;
  beforeAll(async () => {
    [signer, other] = [await newSigningKey(), await newSigningKey()];
    keyring = new Map([[signer.thumbprint, importVerificationKey(signer.publicJwk)]]);
    bundle = {
      format: 1,
      agentId: '01890a5d-ac96-774b-bcce-b302099a8057',
      name: 'edge-7',
      group: { id: '01890a5d-ac96-774b-bcce-b302099a8058', name: 'plant-7' },
      controlPlane: 'https://control-plane.test:9443',
      trustAnchors: ['anchor'],
      verificationKeys: { keys: [{ ...signer.publicJwk, kid: signer.thumbprint }] },
      revision: 3,
      epoch: 1,
      issuedAt: '2030-01-01T00:00:00.000Z',
      expiresAt: '2030-01-31T00:00:00.000Z',
      deliveryKey: 'sealed',
      durable: 'sealed',
    };
    jws = Buffer.from(signOfflineBundle(bundle, signer));
  });

  test('opens with the key that the agent knows, and with the thumbprint that a person compared', () => {
    expect(openOfflineBundle(jws, keyring)).toEqual(bundle);
    expect(openOfflineBundle(jws, signer.thumbprint)).toEqual(bundle);
    // What was opened is as it was: it is written to disk afterwards.
    expect(jws.toString()).toBe(signOfflineBundle(bundle, signer));
  });

  test('is refused when another key signed it, though that key came along', () => {
    const foreign = Buffer.from(signOfflineBundle(bundle, other));
    for (const trusted of [keyring, signer.thumbprint])
      expect(() => openOfflineBundle(foreign, trusted)).toThrow(
        expect.objectContaining({ code: 'bundle.unknown_signer' }),
      );
  });

  test('is refused when another key signed it and names itself after the known one', () => {
    const header = {
      typ: 'sallyport-offline-bundle',
      kid: signer.thumbprint,
      jwk: signer.publicJwk,
    };
    const payload = Buffer.from(JSON.stringify(bundle));
    const forged = Buffer.from(signCompactJws(header, payload, other.privateKey));
    for (const trusted of [keyring, signer.thumbprint])
      expect(() => openOfflineBundle(forged, trusted)).toThrow(
        expect.objectContaining({ code: 'bundle.unsigned' }),
      );
  });

  test('is refused as another kind of what the same key signs', () => {
    const payload = Buffer.from(JSON.stringify(bundle));
    const header = { typ: 'sallyport-bundle', kid: signer.thumbprint, jwk: signer.publicJwk };
    const alike = Buffer.from(signCompactJws(header, payload, signer.privateKey));
    expect(() => openOfflineBundle(alike, keyring)).toThrow(
      expect.objectContaining({ code: 'bundle.malformed' }),
    );
  });

  test('of another format is refused, though it is signed', () => {
    const header = { typ: 'sallyport-offline-bundle', kid: signer.thumbprint };
    const payload = Buffer.from(JSON.stringify({ ...bundle, format: 2 }));
    const newer = Buffer.from(signCompactJws(header, payload, signer.privateKey));
    expect(() => openOfflineBundle(newer, keyring)).toThrow(
      expect.objectContaining({ code: 'bundle.malformed' }),
    );
  });

  test('is refused with any one byte changed, and cut off anywhere', () => {
    const refused = {
      code: expect.stringMatching(/^bundle\.(unsigned|malformed|unknown_signer)$/),
    };
    fc.assert(
      fc.property(fc.nat(jws.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(jws);
        changed[at] = (changed[at] ?? 0) ^ by;
        expect(() => openOfflineBundle(changed, keyring)).toThrow(expect.objectContaining(refused));
        expect(() => openOfflineBundle(jws.subarray(0, at), keyring)).toThrow(
          expect.objectContaining(refused),
        );
      }),
    );
  });
});
