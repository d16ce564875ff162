import type { AuditEntry, AuditQuery } from '@sallyport/contract';
import type { Operation } from '../authorization/index.ts';
import { authorizedGroupsEver } from '../groups/index.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { findEvents } from './events.store.ts';

/** The events that the caller may see and that match, page by page along the chain. */
export async function listAudit(
  platform: Platform,
  op: Operation,
  query: AuditQuery,
): Promise<Page<AuditEntry>> {
  const { db } = platform;
  const groups = await groupsOf(platform, op, query.group);
  const rows = await findEvents(db, query, groups);
  return pageOf(rows, query.limit, ({ position }) => String(position));
}

/** Those whose events are shown; `undefined` shows every event, also what belongs to no group. */
async function groupsOf(
  platform: Platform,
  op: Operation,
  group: string | undefined,
): Promise<string[] | undefined> {
  if (group === undefined) return op.groupsWith('audit:read');
  return authorizedGroupsEver(platform, op, 'audit:read', group);
}
