import type { PageQuery } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

/** The thumbprints of an agent's two keys (RFC 7638). */
export type KeyThumbprints = { signingKey: string; encryptionKey: string };

export type BanRow = KeyThumbprints & {
  id: string;
  groupId: string;
  agentId: string;
  agentName: string;
  bannedName: string | null;
  createdBy: string;
  createdAt: Date;
};

const LOCK = 'sallyport bans';

/** Held until the commit: no enrolment that has looked for bans is under way, and none looks meanwhile. */
export async function lockBans(tx: Db): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${LOCK}))`;
}

/** What bans these keys, or this name in this group. No ban is made between this look and the commit. */
export async function findBanOf(
  tx: Db,
  { groupId, name, signingKey, encryptionKey }: KeyThumbprints & { groupId: string; name: string },
): Promise<BanRow | undefined> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(hashtext(${LOCK}))`;
  const found = await tx.ban.findFirst({
    where: { OR: [{ signingKey }, { encryptionKey }, { groupId, bannedName: name }] },
  });
  return found ?? undefined;
}

export async function findBanOfAgent(tx: Db, agentId: string): Promise<BanRow | undefined> {
  return (await tx.ban.findUnique({ where: { agentId } })) ?? undefined;
}

/** In place of the agent's ban before, if there is one. */
export async function putBan(tx: Db, row: BanRow): Promise<BanRow> {
  const { agentId, bannedName } = row;
  return tx.ban.upsert({ where: { agentId }, create: row, update: { bannedName } });
}

export async function listBans(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<BanRow[]> {
  return db.ban.findMany({
    where: { groupId, ...(cursor === undefined ? {} : { id: { gt: cursor } }) },
    orderBy: { id: 'asc' },
    take: limit + 1,
  });
}

/** Undefined when there is none of this id in the group. */
export async function deleteBan(tx: Db, groupId: string, id: string): Promise<BanRow | undefined> {
  const where = { id, groupId };
  const row = await tx.ban.findFirst({ where });
  if (row === null || (await tx.ban.deleteMany({ where })).count === 0) return undefined;
  return row;
}
