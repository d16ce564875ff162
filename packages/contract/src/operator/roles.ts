import { z } from 'zod';
import { groupName, instant, operatorName, uuid } from '../names.ts';

export const roles = ['owner', 'admin', 'operator', 'auditor', 'viewer'] as const;
export const role = z
  .enum(roles)
  .describe(
    '`owner`: everything, also who is an operator; `admin`: everything but that; `operator`: what groups hold and their agents; `auditor`: sees everything but values, changes nothing; `viewer`: sees what groups hold, but values. `docs/permissions.md` has the table',
  );
export type Role = z.infer<typeof role>;

/** A role and where it holds. */
export const heldRole = z.strictObject({
  role,
  group: groupName.nullable().describe('Where it holds; null: everywhere'),
});
export type HeldRole = z.infer<typeof heldRole>;

/** `POST /api/v1/role-bindings`. */
export const createRoleBindingBody = heldRole.extend({
  operator: operatorName,
  group: groupName.nullable().default(null).describe('Where it holds; null: everywhere'),
});

export const roleBinding = heldRole.extend({
  id: uuid,
  operator: operatorName,
  createdAt: instant,
});
export type RoleBinding = z.infer<typeof roleBinding>;
