import { roles } from '@sallyport/contract';
import { allows, isOpen, permissions } from '../apps/control-plane/src/authorization/policy.ts';
import { pageWithTable } from './page-with-table.ts';

/** Writes the table of docs/permissions.md from the policy; `--check` fails when it is not up to date. */
const rows = permissions.map((permission) => {
  const marks = roles.map((role) => isOpen(permission) || allows(role, permission));
  return `| \`${permission}\` | ${marks.map((mark) => (mark ? '✓' : '')).join(' | ')} |`;
});
await pageWithTable('docs/permissions.md', 'policy', [
  `| permission | ${roles.join(' | ')} |`,
  `| --- | ${roles.map(() => ':-:').join(' | ')} |`,
  ...rows,
]);
