import { BlockList, isIPv6 } from 'node:net';
import { agentMethod, type EnrollBody, type EnrollReply } from '@sallyport/contract';
import { verifyEnrollmentProof } from '@sallyport/crypto/assertion';
import type { Token } from '@sallyport/crypto/token';
import { appendAuditEvent, recordAct } from '../audit/index.ts';
import { Operation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation, type Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import { readToken } from '../platform/read-token.ts';
import type { TokenChecks } from '../platform/token-checks.ts';
import type { Turns } from '../platform/turns.ts';
import type { Trust } from '../trust/index.ts';
import { agentBanned, identityTaken, keysTaken, methodRefused } from './agent-refusals.ts';
import { findGroupOf, findIdentified, releaseIdentity } from './agents.store.ts';
import { readCertificateRequest, type RequestedKey } from './certificate-request.ts';
import type { ClientCertificate } from './client-certificate.ts';
import {
  findEnrollmentToken,
  takeUse,
  type EnrollmentTokenRow,
} from './enrollment-tokens.store.ts';
import { issueCertificate } from './issue-certificate.ts';
import { organisationIdentity } from './organisation-identity.ts';
import { proofRefusal } from './proof-refusal.ts';
import { checkEncryptionKey, registerKeys, thumbprintsOf } from './register-keys.ts';

/** What enrolment needs; `turns` bounds the hashes of each token. */
export type EnrollDeps = { platform: Platform; trust: Trust; tokens: TokenChecks; turns: Turns };

/**
 * Makes an agent of whoever holds a token with a use left and the private keys of what it registers. Only
 * who knows the token's secret learns why it is refused, and only such a refusal is audited: the rest is
 * noise that anybody can make. A token that has ended is therefore checked like any other. The client certificate
 * of the connection, which `shown` returns, is the agent's from then on, unless it asks for one.
 *
 * @throws AppError `request.invalid` of the encryption key, `token.*`, `proof.invalid`, `csr.invalid`,
 * `clock.skewed`, `agent.banned`, `agent.keys_taken`, `agent.identity_taken`, `agent.method_refused`,
 * `client_certificate.*`, `hashing.busy`
 */
export async function enroll(
  deps: EnrollDeps,
  op: Operation,
  body: EnrollBody,
  shown: () => ClientCertificate | undefined,
): Promise<EnrollReply> {
  const { platform } = deps;
  const token = readToken(body.token, 'enroll');
  refuseBusy(deps, token);
  await verifyProof(platform, body);
  checkEncryptionKey(body.encryptionKey);
  const requested = body.csr === undefined ? undefined : await readCertificateRequest(body.csr);
  const row = await verifiedToken(deps, op, token);
  try {
    const refusal = refusalOf(row, op.address, platform.clock.now());
    if (refusal !== undefined) throw refusal;
    const identity = requested === undefined ? identityOf(deps, shown()) : undefined;
    return await register(deps, op, { body, requested, identity }, row);
  } catch (error) {
    // Its holder may try for ever: as nothing is remembered, each refusal, which is audited, costs a hash first.
    deps.tokens.forget(token);
    if (error instanceof AppError) await recordRefusal(platform, op, row, error);
    throw error;
  }
}

/** Ends most of a flood of forged tokens before there is more work for them. @throws AppError `hashing.busy` */
function refuseBusy({ platform, tokens, turns }: EnrollDeps, token: Token): void {
  if (tokens.remembers(token)) return;
  turns.refuseFull(token.id);
  platform.enrollmentHashing.refuseFull();
}

function identityOf(
  { platform: { clientIdentity }, trust: { own } }: EnrollDeps,
  shown: ClientCertificate | undefined,
): string | undefined {
  return shown && organisationIdentity(shown, own.clientAuthorities, clientIdentity);
}

async function verifyProof({ clock }: Platform, body: EnrollBody): Promise<void> {
  try {
    await verifyEnrollmentProof(body, clock.now());
  } catch (error) {
    throw proofRefusal(error, 'proof.invalid', 'The proof of possession is not accepted');
  }
}

/** The token's row, once the secret has been verified: an unknown id and a wrong secret look the same. */
async function verifiedToken(
  { platform, tokens, turns }: EnrollDeps,
  op: Operation,
  token: Token,
): Promise<EnrollmentTokenRow> {
  const row = await platform.db.read((reader) => findEnrollmentToken(reader, token.id));
  if (row !== undefined) {
    const isUsable = refusalOf(row, op.address, platform.clock.now()) === undefined;
    const { secretHash } = row;
    const check = () =>
      isUsable ? tokens.matches(token, secretHash) : tokens.matchesAlone(token, secretHash);
    const isShared = isUsable && tokens.remembers(token);
    if (await (isShared ? check() : turns.take(token.id, check))) return row;
  }
  throw new AppError(
    'token.unknown',
    'The enrollment token is not known here; ask an operator for a new one.',
  );
}

function refusalOf(row: EnrollmentTokenRow, address: string, nowMs: number): AppError | undefined {
  if (row.revokedAt !== null)
    return new AppError(
      'token.revoked',
      'The enrollment token was revoked; ask an operator for a new one.',
    );
  if (row.expiresAt.getTime() <= nowMs)
    return new AppError(
      'token.expired',
      'The enrollment token has expired; ask an operator for a new one.',
    );
  if (row.usesLeft < 1) return usedUp();
  if (row.cidrs.length > 0 && !contains(row.cidrs, address)) {
    return new AppError(
      'token.address_refused',
      'The enrollment token may not be used from this address; ask an operator for one for this network: the audit has the address that was refused.',
    );
  }
  return undefined;
}

type Asked = {
  body: EnrollBody;
  requested: RequestedKey | undefined;
  /** The name in the certificate that the agent brings. */
  identity: string | undefined;
};

async function register(
  { platform, trust }: EnrollDeps,
  op: Operation,
  { body, requested, identity }: Asked,
  row: EnrollmentTokenRow,
): Promise<EnrollReply> {
  const { db, clock } = platform;
  const agentId = newId();
  const thumbprints = await thumbprintsOf(body);
  const { signingKey: keyThumbprint } = thumbprints;
  const group = await db.read((reader) => findGroupOf(reader, row.groupId));
  if ((requested ?? identity) !== undefined && !group.agentMethods.includes('certificate'))
    throw methodRefused('certificate', agentMethod.array().parse(group.agentMethods));
  try {
    return await db.transaction(async (tx) => {
      const now = new Date(clock.now());
      if (identity !== undefined) await releaseIdentity(tx, identity);
      const isNew = await registerKeys(tx, body, thumbprints, {
        id: agentId,
        groupId: row.groupId,
        certificateIdentity: identity ?? null,
        enrollmentTokenId: row.id,
        enrolledAt: now,
      });
      if (!isNew) throw agentBanned();
      const actor = { kind: 'agent', id: agentId, name: body.name } as const;
      const enrolled = new Operation(actor, op.requestId, op.address);
      await recordEnrollment(tx, platform, enrolled, { agentId, row, keyThumbprint, identity });
      const certified = { agentId, groupId: row.groupId, group: group.name };
      const certificate =
        requested &&
        (await issueCertificate(tx, platform, trust, { certified, requested, op: enrolled }));
      // Last: from here on others that enrol with the same token wait for the commit.
      if (!(await takeUse(tx, row.id, now))) throw usedUp();
      return {
        agentId,
        group: { id: row.groupId, name: group.name },
        verificationKeys: trust.signingKeys.published,
        trustAnchors: trust.trustAnchors(),
        certificate,
      };
    });
  } catch (error) {
    throw isUniqueViolation(error) ? await alreadyThere(platform, identity, error) : error;
  }
}

/** Tells what another agent has already: the identity of the certificate, or the keys. */
async function alreadyThere(
  { db }: Platform,
  identity: string | undefined,
  cause: unknown,
): Promise<AppError> {
  if (identity !== undefined && (await db.read((reader) => findIdentified(reader, identity))))
    return identityTaken(cause);
  return keysTaken(cause);
}

async function recordEnrollment(
  tx: Db,
  { clock }: Platform,
  op: Operation,
  {
    agentId,
    row,
    keyThumbprint,
    identity,
  }: {
    agentId: string;
    row: EnrollmentTokenRow;
    keyThumbprint: string;
    identity: string | undefined;
  },
): Promise<void> {
  const act = {
    action: 'agent:enroll',
    subject: `agent:${agentId}`,
    groupId: row.groupId,
    outcome: 'done',
    details: {
      enrollmentToken: row.id,
      keyThumbprint,
      ...(identity === undefined ? {} : { certificateIdentity: identity }),
    },
  } as const;
  await appendAuditEvent(tx, op, act, clock.now());
}

async function recordRefusal(
  platform: Platform,
  op: Operation,
  row: EnrollmentTokenRow,
  error: AppError,
): Promise<void> {
  const details = { code: error.code };
  const act = {
    action: 'agent:enroll',
    subject: `enrollment-token:${row.id}`,
    groupId: row.groupId,
    outcome: 'refused',
    details,
  } as const;
  await recordAct(platform, op, act);
}

function usedUp(): AppError {
  return new AppError(
    'token.used_up',
    'The enrollment token has no use left; ask an operator for a new one.',
  );
}

function contains(cidrs: string[], address: string): boolean {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', prefix] = cidr.split('/');
    list.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4');
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
