import {
  agentFacts,
  encryptionPublicKey,
  signingPublicKey,
  type EncryptionPublicKey,
  type PageQuery,
  type SigningPublicKey,
} from '@sallyport/contract';
import type { z } from 'zod';
import type { Db } from '../platform/db.ts';

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
};

export type NewAgent = Omit<
  AgentRow,
  'group' | 'appliedRevision' | 'lastSeenAt' | 'lostAt' | 'revokedAt'
> & { enrollmentTokenId: string };

const withGroup = { include: { group: { select: { name: true } } } } as const;

export async function insertAgent(tx: Db, row: NewAgent): Promise<void> {
  await tx.agent.create({ data: row });
}

export async function findAgent(db: Db, id: string): Promise<AgentRow | undefined> {
  const row = await db.agent.findUnique({ where: { id }, ...withGroup });
  return row === null ? undefined : parsed(row);
}

export async function listAgents(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<AgentRow[]> {
  const rows = await db.agent.findMany({
    where: { groupId, ...(cursor === undefined ? {} : { id: { gt: cursor } }) },
    orderBy: { id: 'asc' },
    take: limit + 1,
    ...withGroup,
  });
  return rows.map(parsed);
}

export async function markRevoked(tx: Db, id: string, now: Date): Promise<boolean> {
  return (
    (await tx.agent.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: now } }))
      .count === 1
  );
}

/** Ids of agents revoked since `since`: those whose access tokens may still be unexpired. */
export async function listRevokedSince(db: Db, since: Date): Promise<string[]> {
  const rows = await db.agent.findMany({
    where: { revokedAt: { gte: since } },
    select: { id: true },
  });
  return rows.map(({ id }) => id);
}

/** Marks agents lost that were last heard of before `before`, by enrolling if they never pulled; returns them. */
export async function markLost(
  tx: Db,
  before: Date,
  now: Date,
): Promise<{ id: string; groupId: string }[]> {
  return tx.agent.updateManyAndReturn({
    where: {
      lostAt: null,
      revokedAt: null,
      OR: [{ lastSeenAt: { lt: before } }, { lastSeenAt: null, enrolledAt: { lt: before } }],
    },
    data: { lostAt: now },
    select: { id: true, groupId: true },
  });
}

/** Records an assertion's id; false when it was used before. */
export async function useAssertion(db: Db, id: string, expiresAt: Date): Promise<boolean> {
  const { count } = await db.usedAssertion.createMany({
    data: [{ id, expiresAt }],
    skipDuplicates: true,
  });
  return count === 1;
}

export async function deleteExpiredAssertions(tx: Db, now: Date): Promise<number> {
  return (await tx.usedAssertion.deleteMany({ where: { expiresAt: { lt: now } } })).count;
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

/** The name of an agent's group. */
export async function findGroupName(db: Db, groupId: string): Promise<string> {
  return (await db.group.findUniqueOrThrow({ where: { id: groupId }, select: { name: true } }))
    .name;
}
