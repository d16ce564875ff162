import { heldRole, type HeldRole } from '@sallyport/contract';
import { z } from 'zod';

/** A role as it is typed: `viewer`, which holds everywhere, or `viewer:plant-7`. */
export const typedRole = z
  .string()
  .transform((text) => {
    const [role, ...group] = text.split(':');
    return { role, group: group.length === 0 ? null : group.join(':') };
  })
  .pipe(heldRole);

/** What `--role` is told to people as. */
export const ROLE_HELP =
  'owner, admin, operator, auditor or viewer; everywhere, or in a group: viewer:plant-7';

/** What somebody may do, in words: `owner, viewer in plant-7`. */
export function rolesInWords(roles: readonly HeldRole[]): string {
  if (roles.length === 0) return 'no role';
  return roles.map(({ role, group }) => (group === null ? role : `${role} in ${group}`)).join(', ');
}
