import { hash, randomUUID, type KeyObject } from 'node:crypto';
import { signingPublicKey } from '@sallyport/contract';
import { z } from 'zod';
import { signCompactJws, verifyCompactJws, type Header } from './compact.ts';
import { CryptoError } from './crypto-error.ts';
import { CLOCK_TOLERANCE_SECONDS, isJwtId } from './jwt.ts';
import { importVerificationKey, signingKeyThumbprint, type SigningKey } from './signing-key.ts';

const TYPE = 'dpop+jwt';

/** The age at which a proof is refused, in seconds. */
const MAX_AGE_SECONDS = CLOCK_TOLERANCE_SECONDS;

/** The longest time from a proof's first possible acceptance, by a clock that is behind, to its last; in seconds. */
export const DPOP_WINDOW_SECONDS = CLOCK_TOLERANCE_SECONDS + MAX_AGE_SECONDS;

/** RFC 9449, section 4.2; closed, so that a claim that would have to be heeded is not passed over. */
const proofClaims = z.strictObject({
  jti: z.custom<string>(isJwtId),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  ath: z.string().optional(),
});

/**
 * The request a proof is for. `url` is scheme, host and path, without query (RFC 9449, section 4.2). Without an
 * access token it is a request for one, whose proof has no `ath`.
 */
export type DpopRequest = { method: string; url: string; accessToken?: string | undefined };

/** Makes a proof of possession for one request (RFC 9449, section 4.2). */
export function signDpopProof(key: SigningKey, request: DpopRequest, nowMs: number): string {
  const claims: z.infer<typeof proofClaims> = {
    jti: randomUUID(),
    htm: request.method,
    htu: request.url,
    iat: Math.floor(nowMs / 1000),
    ...(request.accessToken === undefined ? {} : { ath: accessTokenHash(request.accessToken) }),
  };
  const header = { typ: TYPE, jwk: key.publicJwk };
  return signCompactJws(header, Buffer.from(JSON.stringify(claims)), key.privateKey);
}

/**
 * Checks a proof as RFC 9449, section 4.3 lists it, by the key of `thumbprint`, and returns its `jti`, which
 * the caller must accept once in `DPOP_WINDOW_SECONDS`.
 *
 * @throws CryptoError `jwt.invalid`, or `jwt.not_yet_valid` / `jwt.expired` when the clocks stand apart
 */
export function verifyDpopProof(
  proof: string,
  request: DpopRequest,
  thumbprint: string,
  nowMs: number,
): { jti: string } {
  const { jti, htm, htu, iat, ath } = verifiedClaims(proof, thumbprint);
  const sameRequest = htm === request.method && htu === request.url;
  const { accessToken } = request;
  const expected = accessToken === undefined ? undefined : accessTokenHash(accessToken);
  if (!sameRequest || ath !== expected)
    throw new CryptoError('jwt.invalid', 'it was made for another request or access token');
  const ageSeconds = nowMs / 1000 - iat;
  if (ageSeconds >= MAX_AGE_SECONDS) throw new CryptoError('jwt.expired', 'it is too old');
  if (ageSeconds < -CLOCK_TOLERANCE_SECONDS)
    throw new CryptoError('jwt.not_yet_valid', 'it is from the future');
  return { jti };
}

function verifiedClaims(proof: string, thumbprint: string): z.infer<typeof proofClaims> {
  try {
    const keyOf = (header: Header) => boundKey(header, thumbprint);
    const payload = verifyCompactJws(Buffer.from(proof, 'latin1'), TYPE, keyOf);
    return proofClaims.parse(JSON.parse(payload.toString('utf8')));
  } catch (error) {
    if (error instanceof CryptoError) throw error;
    throw new CryptoError('jwt.invalid', 'its signature, form or claims are wrong', error);
  }
}

/** The key that the proof shows, if it is the one that the access token is bound to. */
function boundKey({ jwk }: Header, thumbprint: string): KeyObject {
  const shown = signingPublicKey.safeParse(jwk);
  if (!shown.success) throw new CryptoError('jwt.invalid', 'it carries no Ed25519 public key');
  if (signingKeyThumbprint(shown.data) === thumbprint) return importVerificationKey(shown.data);
  throw new CryptoError(
    'jwt.invalid',
    'it is made with another key than the access token is bound to',
  );
}

function accessTokenHash(accessToken: string): string {
  return hash('sha256', accessToken, 'base64url');
}
