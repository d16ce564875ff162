import type { PageQuery } from '@sallyport/contract';
import type { Db } from '../platform/db.ts';

/** Where a link goes and whom it is to find there. */
export type LinkTarget = {
  id: string;
  groupId: string;
  name: string;
  address: string;
  agentFingerprint: string | null;
};

/** How it goes with a link, as the replica that dials writes it. */
export type LinkState = {
  connectedAt: Date | null;
  errorCode: string | null;
  errorText: string | null;
  errorAt: Date | null;
  agentId: string | null;
};

export type LinkRow = LinkTarget & LinkState & { createdBy: string; createdAt: Date };

export async function insertLink(tx: Db, row: LinkRow): Promise<void> {
  await tx.link.create({ data: row });
}

export async function findLink(
  db: Db,
  groupId: string,
  name: string,
): Promise<LinkRow | undefined> {
  return (await db.link.findUnique({ where: { groupId_name: { groupId, name } } })) ?? undefined;
}

export async function listLinks(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<LinkRow[]> {
  return db.link.findMany({
    where: { groupId, ...(cursor === undefined ? {} : { name: { gt: cursor } }) },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
}

export async function countLinks(tx: Db, groupId: string): Promise<number> {
  return tx.link.count({ where: { groupId } });
}

/** False when it was removed meanwhile. */
export async function removeLink(tx: Db, id: string): Promise<boolean> {
  return (await tx.link.deleteMany({ where: { id } })).count === 1;
}

/** All that are to be dialled, of every group. */
export async function listTargets(db: Db): Promise<LinkTarget[]> {
  return db.link.findMany({
    select: { id: true, groupId: true, name: true, address: true, agentFingerprint: true },
  });
}

export async function writeLinkState(db: Db, id: string, state: Partial<LinkState>): Promise<void> {
  await db.link.updateMany({ where: { id }, data: state });
}

/** Nothing is connected for a replica that has only begun to dial. */
export async function forgetConnections(db: Db): Promise<void> {
  await db.link.updateMany({ where: { connectedAt: { not: null } }, data: { connectedAt: null } });
}
