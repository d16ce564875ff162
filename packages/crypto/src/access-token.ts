import type { KeyObject } from 'node:crypto';
import { AGENT_API_AUDIENCE, uuid } from '@sallyport/contract';
import { decodeProtectedHeader } from 'jose';
import { CryptoError } from './crypto-error.ts';
import { signJwt, verifyJwt } from './jwt.ts';
import type { SigningKey } from './signing-key.ts';

/** A session's lifetime, in seconds. */
export const ACCESS_TOKEN_TTL_SECONDS = 15 * 60;
const TYPE = 'at+jwt';

/** Who a session is: `keyThumbprint` is the agent's signing key, whose proof must come with every use. */
export type AccessClaims = {
  agentId: string;
  groupId: string;
  keyThumbprint: string;
  expiresAtMs: number;
};

/** Issues an access token (RFC 9068) bound to the agent's key by `cnf.jkt` (RFC 9449, section 6). */
export async function issueAccessToken(
  key: SigningKey,
  claims: Omit<AccessClaims, 'expiresAtMs'>,
  nowMs: number,
): Promise<string> {
  const iat = Math.floor(nowMs / 1000);
  return signJwt(key, TYPE, {
    sub: claims.agentId,
    group: claims.groupId,
    aud: AGENT_API_AUDIENCE,
    iat,
    exp: iat + ACCESS_TOKEN_TTL_SECONDS,
    cnf: { jkt: claims.keyThumbprint },
  });
}

/** @throws CryptoError `jwt.expired` or `jwt.invalid` */
export async function verifyAccessToken(
  token: string,
  keyring: ReadonlyMap<string, KeyObject>,
  nowMs: number,
): Promise<AccessClaims> {
  const payload = await verifyJwt(token, issuerKey(token, keyring), {
    typ: TYPE,
    nowMs,
    audience: AGENT_API_AUDIENCE,
    requiredClaims: ['sub', 'exp', 'cnf', 'group'],
  });
  const agentId = uuid.safeParse(payload.sub);
  const groupId = uuid.safeParse(payload['group']);
  const keyThumbprint = thumbprintOf(payload['cnf']);
  if (!agentId.success || !groupId.success || keyThumbprint === undefined) {
    throw new CryptoError('jwt.invalid', 'it lacks an agent, a group or a key');
  }
  return {
    agentId: agentId.data,
    groupId: groupId.data,
    keyThumbprint,
    expiresAtMs: (payload.exp ?? 0) * 1000,
  };
}

function issuerKey(token: string, keyring: ReadonlyMap<string, KeyObject>): KeyObject {
  try {
    const key = keyring.get(decodeProtectedHeader(token).kid ?? '');
    if (key !== undefined) return key;
  } catch (error) {
    throw new CryptoError('jwt.invalid', 'it is not a JWT', error);
  }
  throw new CryptoError('jwt.invalid', 'it is not signed by this control plane');
}

function thumbprintOf(cnf: unknown): string | undefined {
  if (typeof cnf !== 'object' || cnf === null || !('jkt' in cnf)) return undefined;
  return typeof cnf.jkt === 'string' ? cnf.jkt : undefined;
}
