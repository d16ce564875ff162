import { createHash, randomUUID } from 'node:crypto';
import { signingPublicKey } from '@sallyport/contract';
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import { CryptoError } from './crypto-error.ts';
import { CLOCK_TOLERANCE_SECONDS, isJwtId, signJwt, verifyJwt } from './jwt.ts';
import { importVerificationKey, type SigningKey } from './signing-key.ts';

const TYPE = 'dpop+jwt';

/** The age at which a proof is refused, in seconds. */
const MAX_AGE_SECONDS = CLOCK_TOLERANCE_SECONDS;

/** The longest time from a proof's first possible acceptance, by a clock that is behind, to its last; in seconds. */
export const DPOP_WINDOW_SECONDS = CLOCK_TOLERANCE_SECONDS + MAX_AGE_SECONDS;

/** The request a proof is for. `url` is scheme, host and path, without query (RFC 9449, section 4.2). */
export type DpopRequest = { method: string; url: string; accessToken: string };

/** Makes a proof of possession for one request (RFC 9449, section 4.2). */
export async function signDpopProof(
  key: SigningKey,
  request: DpopRequest,
  nowMs: number,
): Promise<string> {
  return signJwt(
    key,
    TYPE,
    {
      jti: randomUUID(),
      htm: request.method,
      htu: request.url,
      iat: Math.floor(nowMs / 1000),
      ath: accessTokenHash(request.accessToken),
    },
    { jwk: key.publicJwk },
  );
}

/**
 * Checks a proof as RFC 9449, section 4.3 lists it, for a key already imported for `thumbprint`, and returns its
 * `jti`, which the caller must accept once in `DPOP_WINDOW_SECONDS`.
 *
 * @throws CryptoError `jwt.invalid`, or `jwt.not_yet_valid` / `jwt.expired` when the clocks stand apart
 */
export async function verifyDpopProof(
  proof: string,
  request: DpopRequest,
  thumbprint: string,
  nowMs: number,
): Promise<{ jti: string }> {
  const jwk = await headerKey(proof);
  if ((await calculateJwkThumbprint(jwk)) !== thumbprint) {
    throw new CryptoError(
      'jwt.invalid',
      'it is made with another key than the access token is bound to',
    );
  }
  const payload = await verifyJwt(proof, importVerificationKey(jwk), {
    typ: TYPE,
    nowMs,
    requiredClaims: ['jti', 'htm', 'htu', 'iat', 'ath'],
  });
  const { jti, iat = 0 } = payload;
  const sameRequest = payload['htm'] === request.method && payload['htu'] === request.url;
  if (!sameRequest || payload['ath'] !== accessTokenHash(request.accessToken) || !isJwtId(jti)) {
    throw new CryptoError('jwt.invalid', 'it was made for another request or access token');
  }
  const ageSeconds = nowMs / 1000 - iat;
  if (ageSeconds >= MAX_AGE_SECONDS) throw new CryptoError('jwt.expired', 'it is too old');
  if (ageSeconds < -CLOCK_TOLERANCE_SECONDS)
    throw new CryptoError('jwt.not_yet_valid', 'it is from the future');
  return { jti };
}

async function headerKey(proof: string) {
  try {
    return signingPublicKey.parse(decodeProtectedHeader(proof).jwk);
  } catch (error) {
    throw new CryptoError('jwt.invalid', 'it carries no Ed25519 public key', error);
  }
}

function accessTokenHash(accessToken: string): string {
  return createHash('sha256').update(accessToken, 'ascii').digest('base64url');
}
