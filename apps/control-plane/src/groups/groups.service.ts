import type { Group, Keyring, PageQuery } from '@sallyport/contract';
import { appendAuditEvent } from '../audit/index.ts';
import type { Operation, Permission } from '../authorization/index.ts';
import { createDeliveryKey } from '../delivery-keys/index.ts';
import type { Precondition, Versioned } from '../http/preconditions.ts';
import { createKeyring, rotateKeyring, showKeyring } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import { isUniqueViolation } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { pageOf, type Page } from '../platform/page-of.ts';
import type { Platform } from '../platform/platform.ts';
import {
  findGroup,
  findGroupIdsEver,
  groupNotFound,
  holdGroup,
  insertGroup,
  listGroups,
  updateGroupRow,
  type GroupChange,
  type GroupRow,
} from './groups.store.ts';

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
  return shown(await authorizedGroup(platform, op, 'group:read', name));
}

/** Every group that the caller may see. */
export async function listVisibleGroups(
  { db }: Platform,
  op: Operation,
  query: PageQuery,
): Promise<Page<Group>> {
  const visible = op.groupsWith('group:read');
  const rows = await db.read((reader) => listGroups(reader, query, visible));
  return pageOf(rows.map(shown), query.limit, (group) => group.name);
}

/**
 * Changes what the group's agents may do; how they open sessions holds from their next renewal on.
 *
 * @throws AppError `group.not_found`, `permission.denied`, `precondition.failed`
 */
export async function updateGroup(
  platform: Platform,
  op: Operation,
  name: string,
  change: GroupChange,
  precondition: Precondition,
): Promise<Group> {
  const { clock, db } = platform;
  const { id } = await authorizedGroup(platform, op, 'group:update', name);
  return db.transaction(async (tx) => {
    const { before, after } = await updateGroupRow(tx, id, change);
    // In time: what was changed is undone with the transaction.
    precondition.check(stateOf(before));
    const act = {
      action: 'group:update',
      subject: `group:${name}`,
      groupId: id,
      outcome: 'done',
      details: { before: changeable(before), after: changeable(after) },
    } as const;
    await appendAuditEvent(tx, op, act, clock.now());
    return shown(after);
  });
}

/** What a change can be conditional on: its settings change without a revision. */
export function stateOf({
  id,
  revision,
  clones,
  agentMethods,
}: Pick<GroupRow, 'id' | 'revision' | 'clones' | 'agentMethods'>): Versioned {
  return { id, version: [revision, clones, ...agentMethods].join('.') };
}

function changeable({ agentMethods, clones }: GroupRow) {
  return { agentMethods: agentMethods.toSorted().join(', '), clones };
}

export async function getGroupKeyring(
  platform: Platform,
  op: Operation,
  name: string,
): Promise<Keyring> {
  const { id } = await authorizedGroup(platform, op, 'keyring:read', name);
  return platform.db.read((reader) => showKeyring(reader, id));
}

/** Gives the group a new key; what older ones sealed is sealed anew in the background. */
export async function rotateGroupKeyring(
  platform: Platform,
  op: Operation,
  name: string,
): Promise<Keyring> {
  const group = await authorizedGroup(platform, op, 'keyring:rotate', name);
  return platform.db.transaction(async (tx) => {
    await holdGroup(tx, group.id);
    await rotateKeyring(tx, platform, op, group);
    return showKeyring(tx, group.id);
  });
}

/**
 * The group of a request's path, to do there what the permission names. One that is not there and one that
 * the caller may not see are the same.
 *
 * @throws AppError `group.not_found`, `permission.denied`
 */
export async function authorizedGroup(
  { db }: Platform,
  op: Operation,
  permission: Permission,
  name: string,
): Promise<GroupRow> {
  const group = await db.read((reader) => findGroup(reader, name));
  if (group === undefined) throw op.absent(permission, groupNotFound);
  op.authorizeIn(group.id, permission, groupNotFound);
  return group;
}

/**
 * The ids of the groups that a name or an id stands for in what outlives a group, as the audit does: deleted ones are
 * found too, by who holds the right everywhere, since roles in a group end with it.
 *
 * @throws AppError `group.not_found`, `permission.denied`
 */
export async function authorizedGroupsEver(
  { db }: Platform,
  op: Operation,
  permission: Permission,
  nameOrId: string,
): Promise<string[]> {
  const ids = await db.read((reader) => findGroupIdsEver(reader, nameOrId));
  if (ids.length === 0) throw op.absent(permission, groupNotFound);
  for (const id of ids) op.authorizeIn(id, permission, groupNotFound);
  return ids;
}

function shown({ id, name, revision, agentMethods, clones, createdAt }: GroupRow): Group {
  return { id, name, revision, agentMethods, clones, createdAt: createdAt.toISOString() };
}
