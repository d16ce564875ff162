import { seenOnLink, type PageQuery, type SeenOnLink } from '@sallyport/contract';
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
  /** Of the newest connection; null before the first. */
  seen: SeenOnLink | null;
};

export type LinkRow = LinkTarget & LinkState & { createdBy: string; createdAt: Date };

/** A new one: nothing was seen on it. */
export async function insertLink(tx: Db, { seen: _none, ...row }: LinkRow): Promise<void> {
  await tx.link.create({ data: row });
}

export async function findLink(
  db: Db,
  groupId: string,
  name: string,
): Promise<LinkRow | undefined> {
  const row = await db.link.findUnique({ where: { groupId_name: { groupId, name } } });
  return row === null ? undefined : parsed(row);
}

export async function listLinks(
  db: Db,
  groupId: string,
  { limit, cursor }: PageQuery,
): Promise<LinkRow[]> {
  const rows = await db.link.findMany({
    where: { groupId, ...(cursor === undefined ? {} : { name: { gt: cursor } }) },
    orderBy: { name: 'asc' },
    take: limit + 1,
  });
  return rows.map(parsed);
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

/** What was seen is only ever replaced. */
export async function writeLinkState(
  db: Db,
  id: string,
  { seen, ...state }: Partial<LinkState>,
): Promise<void> {
  const data = { ...state, ...(seen ? { seen } : {}) };
  await db.link.updateMany({ where: { id }, data });
}

/** A connection is gone; the one that another replica has noted since, which dials by now, stays. */
export async function noteDisconnected(db: Db, id: string, connectedAt: Date): Promise<void> {
  await db.link.updateMany({ where: { id, connectedAt }, data: { connectedAt: null } });
}

/** Nothing is connected for a replica that has only begun to dial. */
export async function forgetConnections(db: Db): Promise<void> {
  await db.link.updateMany({ where: { connectedAt: { not: null } }, data: { connectedAt: null } });
}

/** What a newer version has seen, and is not known here, is not shown. */
function parsed(row: Omit<LinkRow, 'seen'> & { seen: unknown }): LinkRow {
  return { ...row, seen: seenOnLink.nullable().catch(null).parse(row.seen) };
}
