import type { CertificateBody, CertificateReply } from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { holdAuthority, type Trust } from '../trust/index.ts';
import { insertAgentCertificate } from './agent-certificates.store.ts';
import { agentRevoked, agentUnknown, methodRefused } from './agent-refusals.ts';
import { findStanding } from './agent-standing.store.ts';
import { findAgent } from './agents.store.ts';
import { readCertificateRequest, type RequestedKey } from './certificate-request.ts';
import { agentSpiffeId } from './spiffe-id.ts';

const HOUR_MS = 3_600_000;

/** Who a certificate is for. */
export type Certified = { agentId: string; groupId: string; group: string };

/**
 * Gives the agent of a session a new certificate (RFC 7030, section 4.2.2). `used` is the thumbprint of the key
 * that the connection's own certificate is for, which stays good.
 *
 * @throws AppError `csr.invalid`, `agent.unknown`, `agent.revoked`, `agent.method_refused`, `protocol.unsupported`, `server.unavailable`
 */
export async function renewCertificate(
  platform: Platform,
  trust: Trust,
  op: Operation,
  { body, claims, used }: { body: CertificateBody; claims: AccessClaims; used: string | undefined },
): Promise<CertificateReply> {
  const { agentId } = claims;
  const agent = await platform.db.read((reader) => findAgent(reader, agentId));
  if (agent === undefined) throw agentUnknown();
  const { groupId } = agent;
  const group = agent.group.name;
  const spiffeId = agentSpiffeId(platform.agentCertificates.trustDomain, { group, agentId });
  const requested = await readCertificateRequest(body.csr, spiffeId, used);
  const standing = await findStanding(platform.db, agentId);
  if (standing === undefined || standing.agentRevoked) throw agentRevoked();
  if (!standing.methods.includes('certificate'))
    throw methodRefused('certificate', standing.methods);
  const certified = { agentId, groupId, group };
  const certificate = await platform.db.transaction((tx) =>
    issueCertificate(tx, platform, trust, { certified, requested, op, used }),
  );
  return { certificate, trustAnchors: trust.trustAnchors() };
}

/**
 * Certifies a key, keeps what tells the certificate from others, and returns its chain.
 *
 * @throws AppError `server.unavailable` where this replica has not heard yet that its CA is retired
 */
export async function issueCertificate(
  tx: Db,
  { clock, agentCertificates: { trustDomain, lifetimeHours } }: Platform,
  { authorities: { active } }: Trust,
  {
    certified: { agentId, groupId, group },
    requested,
    op,
    used,
  }: { certified: Certified; requested: RequestedKey; op: Operation; used?: string | undefined },
): Promise<string> {
  if (!(await holdAuthority(tx, active.id, 'KEY SHARE'))) throw authorityRetired();
  const { pem, serialNumber, notAfter } = await active.issueAgentCertificate(
    requested.publicKey,
    agentSpiffeId(trustDomain, { group, agentId }),
    lifetimeHours * HOUR_MS,
    clock.now(),
  );
  const { thumbprint: keyThumbprint } = requested;
  const issuedAt = new Date(clock.now());
  const row = { id: newId(), agentId, authorityId: active.id, serialNumber, keyThumbprint };
  await insertAgentCertificate(tx, { ...row, issuedAt, expiresAt: notAfter }, used);
  const act = {
    action: 'agent:certify',
    subject: `agent:${agentId}`,
    groupId,
    outcome: 'done',
    details: { serialNumber, keyThumbprint, expiresAt: notAfter.toISOString() },
  } as const;
  await appendAuditEvent(tx, op, act, clock.now());
  return pem;
}

function authorityRetired(): AppError {
  return new AppError(
    'server.unavailable',
    'The CA that issues was changed a moment ago; try again shortly.',
    { retryAfterSeconds: 2 },
  );
}
