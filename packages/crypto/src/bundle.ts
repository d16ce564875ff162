import type { BundlePart } from '@sallyport/contract';
import { CompactEncrypt, CompactSign, compactDecrypt, compactVerify } from 'jose';
import { decodeBundlePayload, encodeBundlePayload, type BundlePayload } from './bundle-payload.ts';
import { CryptoError } from './crypto-error.ts';
import type { DeliveryKey } from './delivery-key.ts';
import type { SigningKey } from './signing-key.ts';

const JWS_TYPE = 'sallyport-bundle';

/** The control plane's verification keys by `kid` (the thumbprint). */
export type VerificationKeyring = ReadonlyMap<string, CryptoKey>;

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
 * Opens and verifies one part. Whether its revision may be applied is the caller's to decide.
 *
 * @throws CryptoError `bundle.unreadable` (wrong delivery key, or one flipped bit), `bundle.unsigned`,
 * `bundle.malformed`, `bundle.wrong_part`, `bundle.wrong_group`, `bundle.wrong_epoch`
 */
export async function openBundlePart(
  jwe: string,
  part: BundlePart,
  delivery: DeliveryKey,
  keyring: VerificationKeyring,
): Promise<BundlePayload> {
  const signed = await decrypt(jwe, delivery);
  const payload = decodeBundlePayload(await verify(signed, keyring));
  signed.fill(0);
  const { manifest } = payload;
  if (manifest.part !== part)
    throw new CryptoError('bundle.wrong_part', `the ${part} part of a bundle was expected`);
  if (manifest.group !== delivery.group)
    throw new CryptoError('bundle.wrong_group', 'the bundle is another group’s');
  if (manifest.epoch !== delivery.epoch)
    throw new CryptoError('bundle.wrong_epoch', 'the bundle is of another epoch');
  return payload;
}

async function decrypt(jwe: string, delivery: DeliveryKey): Promise<Uint8Array> {
  if (!isCanonical(jwe))
    throw new CryptoError(
      'bundle.unreadable',
      'the bundle was changed: it is not as it was encoded',
    );
  try {
    const { plaintext } = await compactDecrypt(jwe, delivery.key, {
      keyManagementAlgorithms: ['A256KW'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    return plaintext;
  } catch (error) {
    throw new CryptoError(
      'bundle.unreadable',
      'the bundle does not open: it was changed, or is for another group or epoch',
      error,
    );
  }
}

/** Whether the unused bits at the end of each base64url segment are zero: no cipher covers those. */
function isCanonical(jwe: string): boolean {
  return jwe.split('.').every((segment) => {
    const tail = segment.slice(segment.length - (segment.length % 4));
    return Buffer.from(tail, 'base64url').toString('base64url') === tail;
  });
}

async function verify(jws: Uint8Array, keyring: VerificationKeyring): Promise<Uint8Array> {
  try {
    const { payload, protectedHeader } = await compactVerify(
      jws,
      (header) => keyOf(header.kid, keyring),
      {
        algorithms: ['EdDSA'],
      },
    );
    if (protectedHeader.typ === JWS_TYPE) return payload;
  } catch (error) {
    throw new CryptoError(
      'bundle.unsigned',
      'the bundle is not signed by this agent’s control plane',
      error,
    );
  }
  throw new CryptoError('bundle.unsigned', 'the bundle is signed, but as something else');
}

function keyOf(kid: string | undefined, keyring: VerificationKeyring): CryptoKey {
  const key = keyring.get(kid ?? '');
  if (key === undefined)
    throw new CryptoError(
      'bundle.unsigned',
      'the bundle names a signing key this agent does not know',
    );
  return key;
}
