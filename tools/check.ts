import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/**
 * `npm run check [-- --report FILE]`: everything but the tests that a change must pass. All of them run,
 * whatever fails; the report is `{"passed": …, "failed": …}` as JSON.
 */
const checks: [what: string, command: string, ...args: string[]][] = [
  ['format', 'oxfmt', '--check', '.'],
  ['lint and boundaries', 'oxlint', '--deny-warnings'],
  ['types', 'tsc', '-b'],
  ['nothing unused', 'knip', '--no-config-hints'],
  ['hygiene', 'node', 'tools/checks/hygiene.ts'],
  ['migrations match the schema', 'node', 'tools/migrations-match.ts'],
  ['OpenAPI document', 'node', 'tools/openapi.ts', '--check'],
  ['OpenAPI document of the agent', 'node', 'tools/agent-openapi.ts', '--check'],
  ['configuration reference', 'node', 'tools/config-reference.ts', '--check'],
  ['sensitive-data page', 'node', 'tools/sensitive-data-page.ts', '--check'],
  ['TLS page', 'node', 'tools/tls-page.ts', '--check'],
  ['permissions page', 'node', 'tools/permissions-page.ts', '--check'],
  ['documented commands exist', 'node', 'tools/checks/documented-commands.ts'],
];

// What Node has compiled of these programs, and of those that they start, is kept for the next.
const env = { NODE_COMPILE_CACHE: 'node_modules/.cache/node-compile', ...process.env };
let failed = 0;
for (const [what, command, ...args] of checks) {
  const startedAt = performance.now();
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${what} (${seconds} s)\n`);
  if (status !== 0) {
    failed += 1;
    process.stdout.write(`${error === undefined ? `${stdout}${stderr}` : error.message}\n`);
  }
}
const reportFile = process.argv[process.argv.indexOf('--report') + 1];
if (process.argv.includes('--report') && reportFile !== undefined) {
  writeFileSync(reportFile, JSON.stringify({ passed: checks.length - failed, failed }));
}
process.exitCode = failed === 0 ? 0 : 1;
