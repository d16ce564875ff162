import type { AdmissionRequest } from '@sallyport/contract';
import { calculateJwkThumbprint } from 'jose';
import { signCompactJws, verifyCompactJws } from './compact.ts';
import { CryptoError } from './crypto-error.ts';
import { importVerificationKey, signingKeyThumbprint, type SigningKey } from './signing-key.ts';

const TYPE = 'sallyport-admission';

type Claim = Pick<AdmissionRequest, 'name' | 'signingKey' | 'encryptionKey'>;

/** The proof of a request that is carried by hand: the holder of the signing key wants this name and this other key. */
export async function signAdmissionProof(
  key: SigningKey,
  claim: Pick<Claim, 'name' | 'encryptionKey'>,
): Promise<string> {
  const claimed = await claimedBy({ ...claim, signingKey: key.publicJwk });
  return signCompactJws({ typ: TYPE }, claimed, key.privateKey);
}

/** @throws CryptoError `jwt.invalid` when another key signed it, or it is about another name or key */
export async function verifyAdmissionProof(
  request: Claim & Pick<AdmissionRequest, 'proof'>,
): Promise<void> {
  let claimed: Buffer;
  try {
    const key = importVerificationKey(request.signingKey);
    claimed = verifyCompactJws(Buffer.from(request.proof, 'latin1'), TYPE, () => key);
  } catch (error) {
    throw new CryptoError('jwt.invalid', 'its signature or form is wrong', error);
  }
  if (!claimed.equals(await claimedBy(request)))
    throw new CryptoError('jwt.invalid', 'it was made for another name or key');
}

async function claimedBy({ name, signingKey, encryptionKey }: Claim): Promise<Buffer> {
  return Buffer.from(
    JSON.stringify({
      name,
      signing_key: signingKeyThumbprint(signingKey),
      encryption_key: await calculateJwkThumbprint(encryptionKey),
    }),
  );
}
