import type { Group, PageQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation } from '../authorization/index.ts';
import { createDeliveryKey } from '../delivery-keys/index.ts';
import { createKeyring } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import { findGroup, insertGroup, listGroups, type GroupRow } from './groups.store.ts';

/** Creates a group with its keyring and first delivery key. */
export async function createGroup(platform: Platform, op: Operation, name: string): Promise<Group> {
  op.authorize('group:create');
  const { db, clock } = platform;
  try {
    return await db.transaction(async (tx) => {
      const group = await insertGroup(tx, { id: newId(), name, createdAt: new Date(clock.now()) });
      await createKeyring(tx, platform, group.id);
      await createDeliveryKey(tx, platform, group.id, group.deliveryEpoch);
      const act = {
        action: 'group:create',
        subject: `group:${name}`,
        groupId: group.id,
        outcome: 'done',
      } as const;
      await appendAuditEvent(tx, op, act, clock.now());
      return shown(group);
    });
  } catch (error) {
    if (isUniqueViolation(error))
      throw new AppError(
        'group.exists',
        'A group of this name exists already; choose another name.',
        { cause: error },
      );
    throw error;
  }
}

export async function getGroup(platform: Platform, op: Operation, name: string): Promise<Group> {
  op.authorize('group:read');
  return shown(await existingGroup(platform, name));
}

export async function listAllGroups(
  { db }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<Group>> {
  op.authorize('group:read');
  const rows = await db.read((reader) => listGroups(reader, query));
  return pageOf(rows.map(shown), query.limit, (group) => group.name);
}

/** The group of a request's path. @throws AppError `group.not_found` */
export async function existingGroup({ db }: Platform, name: string): Promise<GroupRow> {
  const group = await db.read((reader) => findGroup(reader, name));
  if (group === undefined)
    throw new AppError('group.not_found', 'There is no such group, or you may not see it.');
  return group;
}

function shown({ id, name, revision, createdAt }: GroupRow): Group {
  return { id, name, revision, createdAt: createdAt.toISOString() };
}
