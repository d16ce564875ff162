import { readFile, writeFile } from 'node:fs/promises';
import { roles } from '@sallyport/contract';
import { allows, isOpen, policy } from '../apps/control-plane/src/authorization/policy.ts';

/** Writes the table of docs/permissions.md from the policy; `--check` fails when it is not up to date. */
const path = new URL('../docs/permissions.md', import.meta.url);
const [begin, end] = ['<!-- policy -->', '<!-- end of policy -->'];

const rows = Object.keys(policy).map((name) => {
  const permission = permissionNamed(name);
  const marks = isOpen(permission)
    ? roles.map(() => '✓')
    : roles.map((role) => (allows(role, permission) ? '✓' : ''));
  return `| \`${name}\` | ${marks.join(' | ')} |`;
});
const table = [
  `| permission | ${roles.join(' | ')} |`,
  `| --- | ${roles.map(() => ':-:').join(' | ')} |`,
  ...rows,
].join('\n');
const page = await readFile(path, 'utf8');
const [before = '', rest = ''] = page.split(begin);
const after = rest.slice(rest.indexOf(end));
const wanted = `${before}${begin}\n\n${table}\n\n${after}`;

if (!process.argv.includes('--check')) await writeFile(path, wanted);
else if (squeezed(wanted) !== squeezed(page)) {
  process.stdout.write(
    'docs/permissions.md is not up to date; run: node tools/permissions-page.ts\n',
  );
  process.exitCode = 1;
}

/** The formatter lines columns up. */
function squeezed(text: string): string {
  return text.replaceAll(/ +|-+/g, ' ');
}

function permissionNamed(name: string): keyof typeof policy {
  if (!isPermission(name)) throw new Error(`${name} is no permission`);
  return name;
}

function isPermission(name: string): name is keyof typeof policy {
  return name in policy;
}
