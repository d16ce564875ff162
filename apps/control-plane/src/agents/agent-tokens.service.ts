import type { AgentToken, PageQuery } from '@sallyport/contract';
import { formatToken, mintToken, type Token } from '@sallyport/crypto/token';
import { hashTokenSecret } from '@sallyport/crypto/token-hash';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation, Permission } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import {
  countActiveTokens,
  endTokenBy,
  findAgentToken,
  insertAgentToken,
  listAgentTokens,
  markTokenRevoked,
  type AgentTokenRow,
} from './agent-tokens.store.ts';
import { authorizedAgent } from './agents.service.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Enough for a rotation or two that overlap. */
const MAX_ACTIVE = 5;

type Created = AgentToken & { token: string };

/** Makes a token with which the agent opens sessions; its text is in this reply and nowhere else. */
export async function createAgentToken(
  platform: Platform,
  op: Operation,
  agentId: string,
  { expiresInDays }: { expiresInDays: number },
): Promise<Created> {
  const agent = await authorizedAgentNow(platform, op, 'agent-token:create', agentId);
  const { token, secretHash } = await mint(platform);
  return platform.db.transaction(async (tx) => {
    const row = await keep(tx, platform, op, { agentId, token, secretHash, expiresInDays });
    await appendAuditEvent(tx, op, actOn('create', agent.groupId, row), row.createdAt.getTime());
    return { ...shown(row, row.createdAt), token: formatToken(token) };
  });
}

/** Makes a token that takes one's place. The old one goes on for the overlap, so that the host has time to change over. */
export async function rotateAgentToken(
  platform: Platform,
  op: Operation,
  { agentId, id }: { agentId: string; id: string },
  { expiresInDays, overlapSeconds }: { expiresInDays: number; overlapSeconds: number },
): Promise<Created> {
  const { clock, db } = platform;
  const agent = await authorizedAgentNow(platform, op, 'agent-token:rotate', agentId);
  const { token, secretHash } = await mint(platform);
  return db.transaction(async (tx) => {
    await tokenOf(tx, agentId, id);
    const now = new Date(clock.now());
    if (!(await endTokenBy(tx, id, now, new Date(clock.now() + overlapSeconds * 1000))))
      throw new AppError(
        'agent_token.not_found',
        'This token has ended and cannot be rotated; create a new one.',
      );
    const row = await keep(tx, platform, op, { agentId, token, secretHash, expiresInDays });
    const act = actOn('rotate', agent.groupId, row);
    const details = { ...act.details, rotatedFrom: id, overlapSeconds };
    await appendAuditEvent(tx, op, { ...act, details }, clock.now());
    return { ...shown(row, now), token: formatToken(token) };
  });
}

/** Ends a token and the sessions that it opened, on every replica; revoking twice is the same as once. */
export async function revokeAgentToken(
  platform: Platform,
  op: Operation,
  { agentId, id }: { agentId: string; id: string },
): Promise<void> {
  const { clock, db } = platform;
  const agent = await authorizedAgentNow(platform, op, 'agent-token:revoke', agentId);
  await db.transaction(async (tx) => {
    const row = await tokenOf(tx, agentId, id);
    if (!(await markTokenRevoked(tx, id, new Date(clock.now())))) return;
    await publishWakeup(tx, { kind: 'tokenRevoked', agentId, tokenId: id });
    await appendAuditEvent(tx, op, actOn('revoke', agent.groupId, row), clock.now());
  });
}

export async function listTokensOfAgent(
  platform: Platform,
  op: Operation,
  agentId: string,
  query: PageQuery,
): Promise<Page<AgentToken>> {
  await authorizedAgentNow(platform, op, 'agent-token:read', agentId);
  const rows = await platform.db.read((reader) => listAgentTokens(reader, agentId, query));
  const now = new Date(platform.clock.now());
  return pageOf(
    rows.map((row) => shown(row, now)),
    query.limit,
    ({ id }) => id,
  );
}

async function authorizedAgentNow(
  { db }: Platform,
  op: Operation,
  permission: Permission,
  agentId: string,
) {
  return db.read((reader) => authorizedAgent(reader, op, permission, agentId));
}

async function mint({ hashing, tokenIterations }: Platform) {
  const token = mintToken('agent', newId());
  const secretHash = await hashing.run(() => hashTokenSecret(token.secret, tokenIterations));
  return { token, secretHash };
}

async function keep(
  tx: Db,
  { clock }: Platform,
  op: Operation,
  made: { agentId: string; token: Token; secretHash: string; expiresInDays: number },
): Promise<AgentTokenRow> {
  const { agentId, token, secretHash, expiresInDays } = made;
  const createdAt = new Date(clock.now());
  if ((await countActiveTokens(tx, agentId, createdAt)) >= MAX_ACTIVE)
    throw new AppError(
      'agent_token.too_many',
      `An agent may have ${MAX_ACTIVE} tokens at a time; revoke one that is not used any more.`,
    );
  const expiresAt = new Date(clock.now() + expiresInDays * DAY_MS);
  const createdBy = op.actor.name;
  return insertAgentToken(tx, {
    id: token.id,
    agentId,
    secretHash,
    createdBy,
    createdAt,
    expiresAt,
  });
}

/** @throws AppError `agent_token.not_found` */
async function tokenOf(db: Db, agentId: string, id: string): Promise<AgentTokenRow> {
  const row = await findAgentToken(db, id);
  if (row?.agentId === agentId) return row;
  throw new AppError('agent_token.not_found', 'This agent has no such token; list its tokens.');
}

function actOn(
  verb: 'create' | 'rotate' | 'revoke',
  groupId: string,
  { id, agentId, expiresAt }: AgentTokenRow,
) {
  return {
    action: `agent-token:${verb}`,
    subject: `agent-token:${id}`,
    groupId,
    outcome: 'done',
    details: { agent: agentId, expiresAt: expiresAt.toISOString() },
  } as const;
}

function shown(row: AgentTokenRow, now: Date): AgentToken {
  const { id, createdBy, revokedAt, expiresAt } = row;
  return {
    id,
    state: revokedAt !== null ? 'revoked' : expiresAt <= now ? 'expired' : 'active',
    createdBy,
    createdAt: row.createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  };
}
