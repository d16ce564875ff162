import type { KeyObject } from 'node:crypto';
import { AGENT_API_AUDIENCE, sessionMethod, uuid, type SessionMethod } from '@sallyport/contract';
import { decodeProtectedHeader } from 'jose';
import { z } from 'zod';
import { signCompactJws } from './compact.ts';
import { CryptoError } from './crypto-error.ts';
import { verifyJwt } from './jwt.ts';
import type { SigningKey } from './signing-key.ts';

/** A session's lifetime at most, in seconds. */
export const ACCESS_TOKEN_TTL_SECONDS = 15 * 60;
const TYPE = 'at+jwt';

const confirmation = z.union([
  z.strictObject({ jkt: z.string() }),
  z.strictObject({ 'x5t#S256': z.string() }),
]);
/**
 * What must come with every use of the token: a proof by the key of this thumbprint (RFC 9449, section 6.1), or
 * a connection made with the certificate of this digest (RFC 8705, section 3.1).
 */
export type Confirmation = z.infer<typeof confirmation>;

/**
 * Who a session is; `tokenId` is the agent token that it was opened with, and `generation` a digest of what it left
 * in the agent's state directory. Tokens of older versions have no name.
 */
export type AccessClaims = {
  agentId: string;
  agentName?: string;
  groupId: string;
  cnf: Confirmation;
  method: SessionMethod;
  tokenId?: string;
  generation?: string;
  expiresAtMs: number;
};

/** What an access token is issued for. */
export type AccessGrant = Omit<AccessClaims, 'expiresAtMs'>;

/**
 * Issues an access token of whole seconds, bound to what `cnf` names. In the form of RFC 9068, without `iss`, `client_id`
 * and `jti`: it is read by its issuer alone, which knows it by its key, and its subject is its client.
 */
export function issueAccessToken(
  key: SigningKey,
  claims: AccessGrant,
  nowMs: number,
  ttlSeconds = ACCESS_TOKEN_TTL_SECONDS,
): string {
  const iat = Math.floor(nowMs / 1000);
  const payload = {
    sub: claims.agentId,
    name: claims.agentName,
    group: claims.groupId,
    aud: AGENT_API_AUDIENCE,
    iat,
    exp: iat + ttlSeconds,
    cnf: claims.cnf,
    method: claims.method,
    token: claims.tokenId,
    generation: claims.generation,
  };
  const header = { typ: TYPE, kid: key.thumbprint };
  return signCompactJws(header, Buffer.from(JSON.stringify(payload)), key.privateKey);
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
  const cnf = confirmation.safeParse(payload['cnf']);
  // Before agent tokens there was one way, and no claim that named it.
  const method = sessionMethod.default('key').safeParse(payload['method']);
  const name = payload['name'];
  const tokenId = uuid.optional().safeParse(payload['token']);
  const generation = payload['generation'];
  if (!agentId.success || !groupId.success || !cnf.success) {
    throw new CryptoError('jwt.invalid', 'it lacks an agent, a group or a key');
  }
  if (!method.success || !tokenId.success)
    throw new CryptoError('jwt.invalid', 'it does not tell how the session was opened');
  return {
    agentId: agentId.data,
    ...(typeof name === 'string' ? { agentName: name } : {}),
    groupId: groupId.data,
    cnf: cnf.data,
    method: method.data,
    ...(tokenId.data === undefined ? {} : { tokenId: tokenId.data }),
    ...(typeof generation === 'string' ? { generation } : {}),
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
