import { spawnSync } from 'node:child_process';

/** Everything but the tests that a change must pass; `npm run check`. All of them run, whatever fails. */
const checks: [what: string, command: string, ...args: string[]][] = [
  ['format', 'oxfmt', '--check', '.'],
  ['lint and boundaries', 'oxlint', '--deny-warnings'],
  ['types', 'tsc', '-b'],
  ['migrations match the schema', 'node', 'tools/migrations-match.ts'],
  ['configuration reference', 'node', 'tools/config-reference.ts', '--check'],
];

let failed = 0;
for (const [what, command, ...args] of checks) {
  const startedAt = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${what} (${seconds} s)\n`);
  if (status !== 0) {
    failed += 1;
    process.stdout.write(`${stdout}${stderr}\n`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
