import { createHash, randomUUID, type KeyObject } from 'node:crypto';
import {
  AGENT_API_AUDIENCE,
  type EncryptionPublicKey,
  type SigningPublicKey,
} from '@sallyport/contract';
import { calculateJwkThumbprint } from 'jose';
import { CryptoError } from './crypto-error.ts';
import { CLOCK_TOLERANCE_SECONDS, isJwtId, signJwt, verifyJwt } from './jwt.ts';
import { importVerificationKey, type SigningKey } from './signing-key.ts';

const ENROLL_TYPE = 'sallyport-enroll+jwt';
const ASSERTION_TYPE = 'sallyport-assertion+jwt';

/** How long a proof or an assertion is good for, in seconds: the time of one request. */
export const ASSERTION_TTL_SECONDS = 60;

/** The proof of an enrolment: the holder of both keys and of the token made it, just now. */
export async function signEnrollmentProof(
  key: SigningKey,
  token: string,
  encryptionKey: EncryptionPublicKey,
  nowMs: number,
): Promise<string> {
  const iat = Math.floor(nowMs / 1000);
  return signJwt(key, ENROLL_TYPE, {
    aud: AGENT_API_AUDIENCE,
    iat,
    nbf: iat,
    exp: iat + ASSERTION_TTL_SECONDS,
    token_sha256: sha256(token),
    encryption_key: await calculateJwkThumbprint(encryptionKey),
  });
}

/** What an enrolment's proof must be about. */
export type EnrollmentClaim = {
  proof: string;
  signingKey: SigningPublicKey;
  encryptionKey: EncryptionPublicKey;
  token: string;
};

/** @throws CryptoError of `verifyJwt`, or `jwt.invalid` when it is about another token or key */
export async function verifyEnrollmentProof(claim: EnrollmentClaim, nowMs: number): Promise<void> {
  const payload = await verifyJwt(claim.proof, importVerificationKey(claim.signingKey), {
    typ: ENROLL_TYPE,
    nowMs,
    audience: AGENT_API_AUDIENCE,
    requiredClaims: ['exp', 'nbf'],
  });
  const thumbprint = await calculateJwkThumbprint(claim.encryptionKey);
  if (payload['token_sha256'] !== sha256(claim.token) || payload['encryption_key'] !== thumbprint) {
    throw new CryptoError('jwt.invalid', 'it was made for another token or encryption key');
  }
}

/** A session's assertion (RFC 7523, section 3): issuer and subject are the agent, `jti` is used once. */
export async function signAssertion(
  key: SigningKey,
  agentId: string,
  nowMs: number,
): Promise<string> {
  const iat = Math.floor(nowMs / 1000);
  return signJwt(key, ASSERTION_TYPE, {
    iss: agentId,
    sub: agentId,
    aud: AGENT_API_AUDIENCE,
    iat,
    nbf: iat,
    exp: iat + ASSERTION_TTL_SECONDS,
    jti: randomUUID(),
  });
}

/**
 * A verified assertion; the caller must see to it that `jti` is accepted once before `expiresAtMs`, from
 * when on the assertion is refused, clock tolerance included.
 */
export type VerifiedAssertion = { jti: string; expiresAtMs: number };

/** @throws CryptoError of `verifyJwt`, or `jwt.invalid` when it lives longer than an assertion may */
export async function verifyAssertion(
  assertion: string,
  agentId: string,
  key: KeyObject,
  nowMs: number,
): Promise<VerifiedAssertion> {
  const {
    sub,
    jti,
    exp = 0,
    nbf = 0,
  } = await verifyJwt(assertion, key, {
    typ: ASSERTION_TYPE,
    nowMs,
    audience: AGENT_API_AUDIENCE,
    issuer: agentId,
    requiredClaims: ['sub', 'jti', 'exp', 'nbf'],
  });
  if (sub !== agentId || exp - nbf > ASSERTION_TTL_SECONDS || !isJwtId(jti)) {
    throw new CryptoError('jwt.invalid', 'its subject, lifetime or id is not that of an assertion');
  }
  return { jti, expiresAtMs: (exp + CLOCK_TOLERANCE_SECONDS) * 1000 };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
