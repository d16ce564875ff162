import type { CreateLinkBody, Link, PageQuery } from '@sallyport/contract';
import { normalizeFingerprint } from '@sallyport/tls/fingerprint';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation, Permission } from '../authorization/index.ts';
import { authorizedGroup, holdGroup } from '../groups/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { publishWakeup } from '../platform/wakeups.ts';
import {
  countLinks,
  findLink,
  insertLink,
  listLinks,
  removeLink,
  type LinkRow,
} from './links.store.ts';

/** Each takes a few connections of the replica that dials. */
const MAX_LINKS = 1_000;

/** Makes a link, which is dialled from now on. */
export async function createLink(
  platform: Platform,
  op: Operation,
  groupName: string,
  { name, address, agentFingerprint }: CreateLinkBody,
): Promise<Link> {
  const { db, clock } = platform;
  const group = await authorizedGroup(platform, op, 'link:create', groupName);
  const row: LinkRow = {
    id: newId(),
    groupId: group.id,
    name,
    address,
    agentFingerprint:
      agentFingerprint === undefined ? null : normalizeFingerprint(agentFingerprint),
    createdBy: op.actor.name,
    createdAt: new Date(clock.now()),
    connectedAt: null,
    errorCode: null,
    errorText: null,
    errorAt: null,
    agentId: null,
    seen: null,
  };
  try {
    await db.transaction(async (tx) => {
      await holdGroup(tx, group.id);
      if ((await countLinks(tx, group.id)) >= MAX_LINKS)
        throw new AppError(
          'link.too_many',
          `A group has at most ${MAX_LINKS} links; delete those that are not used.`,
        );
      await insertLink(tx, row);
      await publishWakeup(tx, { kind: 'links' });
      await appendAuditEvent(tx, op, actOn('create', row), clock.now());
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new AppError(
      'link.exists',
      'The group has a link of this name already; choose another name.',
      { cause: error },
    );
  }
  return shown(row);
}

export async function listGroupLinks(
  platform: Platform,
  op: Operation,
  groupName: string,
  query: PageQuery,
): Promise<Page<Link>> {
  const group = await authorizedGroup(platform, op, 'link:read', groupName);
  const rows = await platform.db.read((reader) => listLinks(reader, group.id, query));
  return pageOf(rows.map(shown), query.limit, ({ name }) => name);
}

export async function getLink(
  platform: Platform,
  op: Operation,
  groupName: string,
  name: string,
): Promise<Link> {
  return shown(await authorizedLink(platform, op, 'link:read', { groupName, name }));
}

/** Ends a link and its connections; an agent that only listens is out of reach then. */
export async function deleteLink(
  platform: Platform,
  op: Operation,
  groupName: string,
  name: string,
): Promise<void> {
  const row = await authorizedLink(platform, op, 'link:delete', { groupName, name });
  await platform.db.transaction(async (tx) => {
    if (!(await removeLink(tx, row.id))) return;
    await publishWakeup(tx, { kind: 'links' });
    await appendAuditEvent(tx, op, actOn('delete', row), platform.clock.now());
  });
}

async function authorizedLink(
  platform: Platform,
  op: Operation,
  permission: Permission,
  { groupName, name }: { groupName: string; name: string },
): Promise<LinkRow> {
  const group = await authorizedGroup(platform, op, permission, groupName);
  const row = await platform.db.read((reader) => findLink(reader, group.id, name));
  if (row !== undefined) return row;
  throw new AppError(
    'link.not_found',
    'There is no such link in this group, or you may not see it.',
  );
}

function actOn(verb: 'create' | 'delete', { groupId, name, address, agentFingerprint }: LinkRow) {
  return {
    action: `link:${verb}`,
    subject: `link:${name}`,
    groupId,
    outcome: 'done',
    details: {
      to: address,
      ...(agentFingerprint === null ? {} : { fingerprint: agentFingerprint }),
    },
  } as const;
}

function shown(row: LinkRow): Link {
  const { id, name, address, agentFingerprint, createdBy, createdAt, connectedAt } = row;
  const { errorCode: code, errorText: message, errorAt, agentId, seen } = row;
  const failed = code !== null && message !== null && errorAt !== null;
  return {
    id,
    name,
    address,
    agentFingerprint,
    createdBy,
    createdAt: createdAt.toISOString(),
    connectedSince: connectedAt?.toISOString() ?? null,
    lastError: failed ? { code, message, since: errorAt.toISOString() } : null,
    agentId,
    seen,
  };
}
