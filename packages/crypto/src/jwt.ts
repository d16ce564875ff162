import type { KeyObject } from 'node:crypto';
import { SignJWT, errors, jwtVerify, type JWTPayload } from 'jose';
import { CryptoError } from './crypto-error.ts';
import type { SigningKey } from './signing-key.ts';

/** How far two clocks may stand apart before a proof is refused, in seconds. */
export const CLOCK_TOLERANCE_SECONDS = 60;

/** Signs claims as an EdDSA JWT of the given `typ` (RFC 8725, section 3.11: explicit typing). */
export async function signJwt(key: SigningKey, typ: string, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', typ, kid: key.thumbprint })
    .sign(key.privateKey);
}

/**
 * Whether a claim can serve as `jti`: the signer may have put any JSON there (RFC 7519, section 4.1.7). It is
 * remembered for as long as it could be used again, so it is short and of characters that every store keeps.
 */
export function isJwtId(claim: unknown): claim is string {
  return typeof claim === 'string' && /^[A-Za-z0-9._~-]{1,64}$/.test(claim);
}

/** What a JWT must be to be believed; `nowMs` is the verifier's clock. */
export type JwtExpectation = {
  typ: string;
  nowMs: number;
  audience?: string;
  issuer?: string;
  requiredClaims: string[];
};

/**
 * Verifies signature, type, audience, issuer and time (RFC 7519, section 7.2).
 *
 * @throws CryptoError `jwt.expired` or `jwt.not_yet_valid` for time alone, `jwt.invalid` for the rest
 */
export async function verifyJwt(
  jwt: string,
  key: KeyObject,
  expected: JwtExpectation,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(jwt, key, {
      algorithms: ['EdDSA'],
      typ: expected.typ,
      currentDate: new Date(expected.nowMs),
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: expected.requiredClaims,
      ...(expected.audience === undefined ? {} : { audience: expected.audience }),
      ...(expected.issuer === undefined ? {} : { issuer: expected.issuer }),
    });
    return payload;
  } catch (error) {
    throw refusal(error);
  }
}

function refusal(error: unknown): CryptoError {
  if (error instanceof errors.JWTExpired)
    return new CryptoError('jwt.expired', 'it has expired', error);
  if (
    error instanceof errors.JWTClaimValidationFailed &&
    error.claim === 'nbf' &&
    error.reason === 'check_failed'
  ) {
    return new CryptoError('jwt.not_yet_valid', 'it is not valid yet', error);
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new CryptoError('jwt.invalid', `its ${error.claim} is not the expected one`, error);
  }
  return new CryptoError('jwt.invalid', 'its signature or form is wrong', error);
}
