import { randomUUID, type KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  AGENT_TOKEN_GRANT,
  ASSERTION_GRANT,
  enrollBody,
  sessionBody,
  uuid,
  type EnrollReply,
  type ErrorCode,
  type SessionReply,
} from '@sallyport/contract';
import {
  ACCESS_TOKEN_TTL_SECONDS,
  issueAccessToken,
  verifyAccessToken,
  type AccessClaims,
} from '@sallyport/crypto/access-token';
import { verifyAssertion, verifyEnrollmentProof } from '@sallyport/crypto/assertion';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { verifyDpopProof } from '@sallyport/crypto/dpop';
import { importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { importVerificationKey, type SigningKey } from '@sallyport/crypto/signing-key';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import type { DoubleGroup } from './group.ts';

/** A refusal, sent as a problem document. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: ErrorCode;

  constructor(status: number, code: ErrorCode) {
    super(`refused: ${code}`);
    this.status = status;
    this.code = code;
  }
}

export type DoubleAgent = {
  id: string;
  name: string;
  group: DoubleGroup;
  verificationKey: KeyObject;
  thumbprint: string;
  encryptionKey: CryptoKey;
  isRevoked: boolean;
};

/** Who may do what at the double: tokens, agents, sessions and proofs, verified for real. */
export class DoubleAuthority {
  readonly agents = new Map<string, DoubleAgent>();
  /** What a new agent is told to trust in place of the double's own CA. */
  namedAnchor: string | undefined;
  readonly #tokens = new Map<string, { group: DoubleGroup; usesLeft: number }>();
  readonly #agentTokens = new Map<string, string>();
  readonly #signer: SigningKey;
  readonly #seen = new Set<string>();
  readonly #now: () => number;

  constructor(signer: SigningKey, now: () => number) {
    this.#signer = signer;
    this.#now = now;
  }

  mintToken(group: DoubleGroup, uses: number): string {
    const token = formatToken(mintToken('enroll', randomUUID()));
    this.#tokens.set(token, { group, usesLeft: uses });
    return token;
  }

  async enroll(body: unknown, trustAnchor: string): Promise<EnrollReply> {
    const { token, name, signingKey, encryptionKey, proof } = enrollBody.parse(body);
    await inTime(
      () => verifyEnrollmentProof({ proof, signingKey, encryptionKey, token }, this.#now()),
      'proof.invalid',
    );
    const known = this.#tokens.get(token);
    if (known === undefined) throw new Refusal(401, 'token.unknown');
    if (known.usesLeft < 1) throw new Refusal(401, 'token.used_up');
    const thumbprint = await calculateJwkThumbprint(signingKey);
    if ([...this.agents.values()].some((agent) => agent.thumbprint === thumbprint))
      throw new Refusal(409, 'agent.keys_taken');
    known.usesLeft -= 1;
    const { group } = known;
    const agent: DoubleAgent = {
      id: randomUUID(),
      name,
      group,
      thumbprint,
      verificationKey: importVerificationKey(signingKey),
      encryptionKey: await importEncryptionPublicKey(encryptionKey),
      isRevoked: false,
    };
    this.agents.set(agent.id, agent);
    return {
      agentId: agent.id,
      group: { id: group.id, name: group.name },
      verificationKeys: { keys: [{ ...group.signer.publicJwk, kid: group.signer.thumbprint }] },
      trustAnchors: [this.namedAnchor ?? trustAnchor],
    };
  }

  /** Makes an agent token of the agent, which `endAgentToken` ends. */
  mintAgentToken(agentId: string): string {
    const token = formatToken(mintToken('agent', randomUUID()));
    this.#agentTokens.set(token, agentId);
    return token;
  }

  endAgentToken(token: string): void {
    this.#agentTokens.delete(token);
  }

  async #openByToken(
    token: string,
    { dpop }: IncomingMessage['headers'],
    url: string,
  ): Promise<SessionReply> {
    const agent = this.agents.get(this.#agentTokens.get(token) ?? '');
    if (agent === undefined) throw new Refusal(401, 'agent_token.unknown');
    const proof = { method: 'POST', url };
    const { jti } = await inTime(
      async () => verifyDpopProof(String(dpop), proof, agent.thumbprint, this.#now()),
      'dpop.invalid',
    );
    this.#once(jti, 'dpop.replayed');
    return this.renewSession(agent);
  }

  async openSession(
    body: unknown,
    headers: IncomingMessage['headers'],
    url: string,
  ): Promise<SessionReply> {
    const given = sessionBody.parse(body);
    if (given.grantType === AGENT_TOKEN_GRANT) return this.#openByToken(given.token, headers, url);
    if (given.grantType !== ASSERTION_GRANT) throw new Refusal(401, 'client_certificate.required');
    const { assertion } = given;
    const agent = this.agents.get(uuid.parse(decodeJwt(assertion).iss));
    if (agent === undefined) throw new Refusal(401, 'agent.unknown');
    const { jti } = await inTime(
      () => verifyAssertion(assertion, agent.id, agent.verificationKey, this.#now()),
      'assertion.invalid',
    );
    this.#once(jti, 'assertion.replayed');
    if (agent.isRevoked) throw new Refusal(401, 'agent.revoked');
    return this.renewSession(agent);
  }

  async renewSession({ id, group, thumbprint }: DoubleAgent): Promise<SessionReply> {
    const grant = {
      agentId: id,
      groupId: group.id,
      cnf: { jkt: thumbprint },
      method: 'key',
    } as const;
    const accessToken = issueAccessToken(this.#signer, grant, this.#now());
    return { accessToken, tokenType: 'DPoP', expiresInSeconds: ACCESS_TOKEN_TTL_SECONDS };
  }

  /** The agent that a request is from, by its access token and proof. */
  async authenticate({ method = '', headers }: IncomingMessage, url: string): Promise<DoubleAgent> {
    const accessToken = /^DPoP (\S+)$/.exec(headers.authorization ?? '')?.[1];
    const { dpop } = headers;
    if (accessToken === undefined || typeof dpop !== 'string')
      throw new Refusal(401, 'access_token.required');
    const keyring = new Map([
      [this.#signer.thumbprint, importVerificationKey(this.#signer.publicJwk)],
    ]);
    const claims = await verifyAccessToken(accessToken, keyring, this.#now()).catch(
      (error: unknown) => {
        throw new Refusal(
          401,
          error instanceof CryptoError && error.code === 'jwt.expired'
            ? 'access_token.expired'
            : 'access_token.invalid',
        );
      },
    );
    const { jti } = await inTime(
      async () =>
        verifyDpopProof(dpop, { method, url, accessToken }, thumbprintOf(claims), this.#now()),
      'dpop.invalid',
    );
    this.#once(jti, 'dpop.replayed');
    const agent = this.agents.get(claims.agentId);
    if (agent === undefined) throw new Refusal(401, 'agent.unknown');
    if (agent.isRevoked) throw new Refusal(401, 'agent.revoked');
    return agent;
  }

  #once(jti: string, code: ErrorCode): void {
    if (this.#seen.has(jti)) throw new Refusal(401, code);
    this.#seen.add(jti);
  }
}

function thumbprintOf({ cnf }: AccessClaims): string {
  return 'jkt' in cnf ? cnf.jkt : '';
}

async function inTime<Value>(verify: () => Promise<Value>, code: ErrorCode): Promise<Value> {
  try {
    return await verify();
  } catch (error) {
    const skewed =
      error instanceof CryptoError &&
      (error.code === 'jwt.expired' || error.code === 'jwt.not_yet_valid');
    throw new Refusal(401, skewed ? 'clock.skewed' : code);
  }
}
