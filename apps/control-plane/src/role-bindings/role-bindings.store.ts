import { role, type HeldRole, type PageQuery, type RoleBinding } from '@sallyport/contract';
import { z } from 'zod';
import type { Grant } from '../authorization/index.ts';
import { holdGroup } from '../groups/index.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';

/** Who holds a role. */
export type Holder = { operatorId: string } | { apiKeyId: string };

/** A holder's grants as the JSON column `grants`, for a statement that has more to read. */
export const grantsColumn = (of: 'b.operator_id = o.id' | 'b.api_key_id = k.id') =>
  `(SELECT coalesce(json_agg(json_build_object('role', b.role, 'groupId', b.group_id)), '[]')
      FROM role_bindings b WHERE ${of}) AS grants`;

/** What `grantsColumn` brings. */
export const grantsJson = z.array(z.object({ role, groupId: z.string().nullable() }));

/** @throws AppError `group.not_found` for a role in a group that was deleted meanwhile */
export async function insertRoleBindings(
  tx: Db,
  holder: Holder,
  grants: readonly Grant[],
  by: { createdBy: string; createdAt: Date },
): Promise<{ id: string }[]> {
  for (const { groupId } of grants) if (groupId !== null) await holdGroup(tx, groupId);
  const rows = grants.map(({ role: held, groupId }) => ({
    id: newId(),
    ...holder,
    role: held,
    groupId,
    ...by,
  }));
  await tx.roleBinding.createMany({ data: rows });
  return rows;
}

/** A grant as people read it. */
export type NamedGrant = HeldRole & Grant;

/** What each of these holds, by the holder's id. */
export async function listHeldRoles(
  db: Db,
  holders: { operatorIds: string[] } | { apiKeyIds: string[] },
): Promise<Map<string, NamedGrant[]>> {
  const where =
    'operatorIds' in holders
      ? { operatorId: { in: holders.operatorIds } }
      : { apiKeyId: { in: holders.apiKeyIds } };
  const rows = await db.roleBinding.findMany({
    where,
    orderBy: { id: 'asc' },
    include: { group: { select: { name: true } } },
  });
  const byHolder = new Map<string, NamedGrant[]>();
  for (const row of rows) {
    const holder = row.operatorId ?? row.apiKeyId ?? '';
    const { groupId } = row;
    const held = { role: role.parse(row.role), group: row.group?.name ?? null, groupId };
    byHolder.set(holder, [...(byHolder.get(holder) ?? []), held]);
  }
  return byHolder;
}

export type RoleBindingRow = RoleBinding & { operatorId: string; groupId: string | null };

/** Bindings of operators, by id; `groupIds` are the groups to choose from, everywhere included when not given. */
export async function listRoleBindings(
  db: Db,
  { limit, cursor }: PageQuery,
  groupIds?: string[],
): Promise<RoleBindingRow[]> {
  const rows = await db.roleBinding.findMany({
    where: {
      operatorId: { not: null },
      ...(cursor === undefined ? {} : { id: { gt: cursor } }),
      ...(groupIds === undefined ? {} : { groupId: { in: groupIds } }),
    },
    orderBy: { id: 'asc' },
    take: limit + 1,
    ...withNames,
  });
  return rows.flatMap((row) => shownRow(row) ?? []);
}

export async function findRoleBinding(db: Db, id: string): Promise<RoleBindingRow | undefined> {
  const row = await db.roleBinding.findUnique({ where: { id }, ...withNames });
  return row === null ? undefined : shownRow(row);
}

export async function deleteRoleBinding(tx: Db, id: string): Promise<boolean> {
  return (await tx.roleBinding.deleteMany({ where: { id } })).count === 1;
}

/** The operator of a name, who cannot be deleted before the transaction ends. */
export async function holdOperator(tx: Db, name: string): Promise<string | undefined> {
  const [row] = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM operators WHERE name = ${name} FOR KEY SHARE`;
  return row?.id;
}

/**
 * The operators that are owners everywhere. Their bindings stay locked until the commit: of two who would
 * each take the other away, the second finds itself alone.
 */
export async function lockOwners(tx: Db): Promise<string[]> {
  const rows = await tx.$queryRaw<{ operator_id: string }[]>`
    SELECT operator_id FROM role_bindings
    WHERE role = 'owner' AND group_id IS NULL AND operator_id IS NOT NULL
    ORDER BY id FOR UPDATE`;
  return rows.map((row) => row.operator_id);
}

const withNames = {
  include: { operator: { select: { name: true } }, group: { select: { name: true } } },
} as const;

type NamedRow = {
  id: string;
  operatorId: string | null;
  role: string;
  groupId: string | null;
  createdAt: Date;
  operator: { name: string } | null;
  group: { name: string } | null;
};

function shownRow(row: NamedRow): RoleBindingRow | undefined {
  if (row.operatorId === null || row.operator === null) return undefined;
  return {
    id: row.id,
    operatorId: row.operatorId,
    operator: row.operator.name,
    role: role.parse(row.role),
    group: row.group?.name ?? null,
    groupId: row.groupId,
    createdAt: row.createdAt.toISOString(),
  };
}
