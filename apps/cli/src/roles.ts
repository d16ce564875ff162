import type { HeldRole } from '@sallyport/contract';

/** What somebody may do, in words: `owner, viewer in plant-7`. */
export function rolesInWords(roles: readonly HeldRole[]): string {
  if (roles.length === 0) return 'no role';
  return roles.map(({ role, group }) => (group === null ? role : `${role} in ${group}`)).join(', ');
}
