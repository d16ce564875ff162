import {
  agentFacts,
  agentMethod,
  encryptionPublicKey,
  signingPublicKey,
  type AgentMethod,
  type AgentsQuery,
  type EncryptionPublicKey,
  type Generation,
  type SigningPublicKey,
} from '@sallyport/contract';
import type { z } from 'zod';
import type { Db } from '../platform/db.ts';
import { inState } from './agent-states.store.ts';

export type AgentFacts = z.infer<typeof agentFacts>;

export type AgentRow = {
  id: string;
  groupId: string;
  group: { name: string };
  name: string;
  signingKey: SigningPublicKey;
  encryptionKey: EncryptionPublicKey;
  keyThumbprint: string;
  facts: AgentFacts;
  appliedRevision: number;
  enrolledAt: Date;
  lastSeenAt: Date | null;
  lostAt: Date | null;
  revokedAt: Date | null;
  clonedAt: Date | null;
  behindRevision: number | null;
  behindSince: Date | null;
  certificateIdentity: string | null;
};

export type NewAgent = Omit<
  AgentRow,
  | 'group'
  | 'appliedRevision'
  | 'lastSeenAt'
  | 'lostAt'
  | 'revokedAt'
  | 'clonedAt'
  | 'behindRevision'
  | 'behindSince'
> & { enrollmentTokenId: string | null };

const withGroup = { include: { group: { select: { name: true } } } } as const;

export async function insertAgent(tx: Db, row: NewAgent): Promise<void> {
  await tx.agent.create({ data: row });
}

export async function findAgent(db: Db, id: string): Promise<AgentRow | undefined> {
  const row = await db.agent.findUnique({ where: { id }, ...withGroup });
  return row === null ? undefined : parsed(row);
}

/** `groupIds` are the groups to choose from; all that are not deleted when not given. */
export async function listAgents(
  db: Db,
  groupIds: string[] | undefined,
  { limit, cursor, state }: AgentsQuery,
  now: Date,
): Promise<AgentRow[]> {
  const rows = await db.agent.findMany({
    where: {
      ...(groupIds === undefined ? { group: { deletedAt: null } } : { groupId: { in: groupIds } }),
      ...(cursor === undefined ? {} : { id: { gt: cursor } }),
      ...(state === undefined ? {} : inState(db, state, now)),
    },
    orderBy: { id: 'asc' },
    take: limit + 1,
    ...withGroup,
  });
  return rows.map(parsed);
}

/** The group that the agent was in; undefined when it was revoked before. */
export async function markRevoked(tx: Db, id: string, now: Date): Promise<string | undefined> {
  const [row] = await tx.agent.updateManyAndReturn({
    where: { id, revokedAt: null },
    data: { revokedAt: now },
    select: { groupId: true },
  });
  return row?.groupId;
}

/** Puts an agent into another group, of which it has nothing yet; false when it is revoked, or not in `from` any more. */
export async function moveToGroup(
  tx: Db,
  id: string,
  { from, to, now }: { from: string; to: string; now: Date },
): Promise<boolean> {
  const nothingYet = { appliedRevision: 0, behindRevision: null, behindSince: null };
  const left = await tx.group.findUnique({ where: { id: from }, select: { agentMethods: true } });
  // Where it needed no certificate it may have none. From one group of certificates to another it had one, or its
  // days are over, and a move does not bring them back.
  const neededNone = left?.agentMethods.some((method) => method !== 'certificate') === true;
  const { count } = await tx.agent.updateMany({
    where: { id, groupId: from, revokedAt: null },
    data: {
      groupId: to,
      movedAt: now,
      status: 'starting',
      ...nothingYet,
      ...(neededNone ? { recoverableFrom: now } : {}),
    },
  });
  return count === 1;
}

/** The agents that were moved since `since`, whose older access tokens may still be unexpired, and where they are. */
export async function listMovedSince(
  db: Db,
  since: Date,
): Promise<{ id: string; groupId: string }[]> {
  return db.agent.findMany({
    where: { movedAt: { gte: since } },
    select: { id: true, groupId: true },
  });
}

/** The agent of a certificate's identity, whether it was revoked or not. */
export async function findIdentified(
  db: Db,
  certificateIdentity: string,
): Promise<{ agentId: string; groupId: string } | undefined> {
  const row = await db.agent.findUnique({
    where: { certificateIdentity },
    select: { id: true, groupId: true },
  });
  return row === null ? undefined : { agentId: row.id, groupId: row.groupId };
}

/** Takes an identity from an agent that was revoked, so that its host may come back with the same certificate. */
export async function releaseIdentity(tx: Db, certificateIdentity: string): Promise<void> {
  await tx.agent.updateMany({
    where: { certificateIdentity, revokedAt: { not: null } },
    data: { certificateIdentity: null },
  });
}

export async function setIdentity(
  tx: Db,
  id: string,
  certificateIdentity: string | null,
): Promise<void> {
  await tx.agent.update({ where: { id }, data: { certificateIdentity } });
}

/** Ids of agents revoked since `since`: those whose access tokens may still be unexpired. */
export async function listRevokedSince(db: Db, since: Date): Promise<string[]> {
  const rows = await db.agent.findMany({
    where: { revokedAt: { gte: since } },
    select: { id: true },
  });
  return rows.map(({ id }) => id);
}

/**
 * Moves an agent to its next generation, from the one that it shows or again to the same one, as after a lost
 * reply; false when it shows another, or none although it has one.
 */
export async function takeGeneration(
  db: Db,
  id: string,
  shown: Generation | undefined,
): Promise<boolean> {
  const { current = null, next = null } = shown ?? {};
  const taken = await db.$executeRaw`
    UPDATE agents SET generation = coalesce(${next}::text, generation)
    WHERE id = ${id}::uuid AND (generation IS NULL OR generation IN (${current}::text, ${next}::text))`;
  return taken === 1;
}

/** Lets what is shown be the agent's generation, whatever it was. */
export async function resetGeneration(tx: Db, id: string, next: string | null): Promise<void> {
  await tx.agent.updateMany({ where: { id }, data: { generation: next } });
}

/** Lets each agent show whatever it has next: which of two copies goes on is then decided anew. */
export async function forgetGenerations(tx: Db): Promise<void> {
  await tx.agent.updateMany({ where: { generation: { not: null } }, data: { generation: null } });
}

/** Notes that a copy was seen; false when one was seen since `noted`. */
export async function markCloned(tx: Db, id: string, now: Date, noted: Date): Promise<boolean> {
  const { count } = await tx.agent.updateMany({
    where: { id, OR: [{ clonedAt: null }, { clonedAt: { lt: noted } }] },
    data: { clonedAt: now },
  });
  return count === 1;
}

/** Records an assertion's id; false when it was used before. */
export async function useAssertion(db: Db, id: string, expiresAt: Date): Promise<boolean> {
  const { count } = await db.usedAssertion.createMany({
    data: [{ id, expiresAt }],
    skipDuplicates: true,
  });
  return count === 1;
}

export async function deleteExpiredAssertions(db: Db, now: Date, limit: number): Promise<number> {
  return (await db.usedAssertion.deleteMany({ where: { expiresAt: { lt: now } }, limit })).count;
}

type StoredAgent = Omit<AgentRow, 'signingKey' | 'encryptionKey' | 'facts'> & {
  signingKey: unknown;
  encryptionKey: unknown;
  facts: unknown;
};

function parsed(row: StoredAgent): AgentRow {
  return {
    ...row,
    signingKey: signingPublicKey.parse(row.signingKey),
    encryptionKey: encryptionPublicKey.parse(row.encryptionKey),
    facts: agentFacts.parse(row.facts),
  };
}

/** What an agent is told, and asked, of its group. */
export async function findGroupOf(
  db: Db,
  groupId: string,
): Promise<{ name: string; agentMethods: AgentMethod[] }> {
  const { name, agentMethods } = await db.group.findUniqueOrThrow({
    where: { id: groupId },
    select: { name: true, agentMethods: true },
  });
  return { name, agentMethods: agentMethod.array().parse(agentMethods) };
}
