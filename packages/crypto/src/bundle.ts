import type { KeyObject } from 'node:crypto';
import type { BundlePart } from '@sallyport/contract';
import { CompactEncrypt, CompactSign } from 'jose';
import { decodeBundlePayload, encodeBundlePayload, type BundlePayload } from './bundle-payload.ts';
import { openCompactJwe, verifyCompactJws, type Header } from './compact.ts';
import { CryptoError } from './crypto-error.ts';
import type { DeliveryKey } from './delivery-key.ts';
import type { SigningKey } from './signing-key.ts';

const JWS_TYPE = 'sallyport-bundle';

/** The control plane's verification keys by `kid` (the thumbprint). */
export type VerificationKeyring = ReadonlyMap<string, KeyObject>;

/**
 * Signs (EdDSA, RFC 8037, section 3.1), then encrypts (A256GCM, the content key wrapped by the delivery
 * key with A256KW) one part of a bundle. The bytes are the same for every agent of the group.
 */
export async function sealBundlePart(
  payload: BundlePayload,
  signer: SigningKey,
  delivery: DeliveryKey,
): Promise<string> {
  const plain = encodeBundlePayload(payload);
  const jws = await new CompactSign(plain)
    .setProtectedHeader({ alg: 'EdDSA', typ: JWS_TYPE, kid: signer.thumbprint })
    .sign(signer.privateKey);
  plain.fill(0);
  const signed = Buffer.from(jws, 'ascii');
  const jwe = await new CompactEncrypt(signed)
    .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM', cty: 'JWS', epoch: delivery.epoch })
    .encrypt(delivery.key);
  signed.fill(0);
  return jwe;
}

/**
 * Opens and verifies one part. The values are views of one buffer, which the caller zeroes. Whether its revision may be applied is the caller's to decide.
 *
 * @throws CryptoError `bundle.unreadable` (wrong delivery key, or one flipped bit), `bundle.unsigned`,
 * `bundle.malformed`, `bundle.wrong_part`, `bundle.wrong_group`, `bundle.wrong_epoch`
 */
export function openBundlePart(
  jwe: string,
  part: BundlePart,
  delivery: DeliveryKey,
  keyring: VerificationKeyring,
): BundlePayload {
  const opened = verify(decrypt(jwe, delivery), keyring);
  try {
    const payload = decodeBundlePayload(opened);
    assertIsOf(payload, part, delivery);
    return payload;
  } catch (error) {
    opened.fill(0);
    throw error;
  }
}

function assertIsOf({ manifest }: BundlePayload, part: BundlePart, delivery: DeliveryKey): void {
  if (manifest.part !== part)
    throw new CryptoError('bundle.wrong_part', `the ${part} part of a bundle was expected`);
  if (manifest.group !== delivery.group)
    throw new CryptoError('bundle.wrong_group', 'the bundle is another group’s');
  if (manifest.epoch !== delivery.epoch)
    throw new CryptoError('bundle.wrong_epoch', 'the bundle is of another epoch');
}

function decrypt(jwe: string, delivery: DeliveryKey): Buffer {
  try {
    return openCompactJwe(jwe, delivery.key);
  } catch (error) {
    throw new CryptoError(
      'bundle.unreadable',
      'the bundle does not open: it was changed, or is for another group or epoch',
      error,
    );
  }
}

function verify(jws: Buffer, keyring: VerificationKeyring): Buffer {
  try {
    return verifyCompactJws(jws, JWS_TYPE, (header) => keyOf(header, keyring));
  } catch (error) {
    jws.fill(0);
    throw new CryptoError(
      'bundle.unsigned',
      'the bundle is not signed by this agent’s control plane',
      error,
    );
  }
}

function keyOf({ kid }: Header, keyring: VerificationKeyring): KeyObject {
  const key = typeof kid === 'string' ? keyring.get(kid) : undefined;
  if (key === undefined) throw new RangeError('this agent does not know the signing key it names');
  return key;
}
