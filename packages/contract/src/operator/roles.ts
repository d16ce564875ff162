import { z } from 'zod';
import { groupName, instant, operatorName, uuid } from '../names.ts';

export const roles = ['owner', 'admin', 'operator', 'auditor', 'viewer'] as const;
export const role = z.enum(roles);
export type Role = z.infer<typeof role>;

/** A role and where it holds: in one group, or everywhere when `group` is null. */
export const heldRole = z.strictObject({ role, group: groupName.nullable() });
export type HeldRole = z.infer<typeof heldRole>;

/** `POST /api/v1/role-bindings`. */
export const createRoleBindingBody = heldRole.extend({
  operator: operatorName,
  group: groupName.nullable().default(null),
});

export const roleBinding = heldRole.extend({
  id: uuid,
  operator: operatorName,
  createdAt: instant,
});
export type RoleBinding = z.infer<typeof roleBinding>;
