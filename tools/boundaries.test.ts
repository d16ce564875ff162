import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';

const root = fileURLToPath(new URL('..', import.meta.url));
const report = z.object({
  diagnostics: z.array(
    z.object({
      message: z.string(),
      help: z.string().optional(),
      code: z.string(),
      filename: z.string(),
    }),
  ),
});

/** A file that breaks one rule, beside the nearest thing that the rule lets pass. */
interface Seed {
  readonly rule: string;
  readonly at: string;
  readonly refused: string;
  readonly accepted: string;
  /** Where the accepted line stands, when the place is what makes it right. */
  readonly acceptedAt?: string;
}

const imports = (specifier: string) => `import '${specifier}';`;
const seeds: Record<string, Seed> = {
  'a package never imports an app': {
    rule: 'eslint(no-restricted-imports)',
    at: 'packages/tls/src/seed.ts',
    refused: imports('@sallyport/agent/src/agent.ts'),
    accepted: imports('@sallyport/contract'),
  },
  'an app never imports another': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/cli/src/seed.ts',
    refused: imports('../../control-plane/src/serve.ts'),
    accepted: imports('@sallyport/tls/policy'),
  },
  'an app never imports another, not even its index.ts': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/control-plane/src/secrets/seed-agent.ts',
    refused: imports('../../../agent/src/index.ts'),
    accepted: imports('../agents/index.ts'),
  },
  'an app may call a folder of its own as another app is called': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/agent/test/seed-cli.ts',
    refused: imports('../../cli/src/program.ts'),
    accepted: imports('../src/cli/program.ts'),
  },
  'the agent does not reach Prisma': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/agent/src/seed.ts',
    refused: imports('@prisma/client'),
    accepted: imports('jose'),
  },
  'the agent does not reach argon2 through the crypto package': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/agent/src/seed-password.ts',
    refused: imports('@sallyport/crypto/password'),
    accepted: imports('@sallyport/crypto/bundle'),
  },
  'the contract imports zod only': {
    rule: 'eslint(no-restricted-imports)',
    at: 'packages/contract/src/seed.ts',
    refused: imports('jose'),
    accepted: imports('zod'),
  },
  'cryptography does no input or output': {
    rule: 'eslint(no-restricted-imports)',
    at: 'packages/crypto/src/seed.ts',
    refused: imports('node:fs/promises'),
    accepted: imports('node:crypto'),
  },
  'only stores and platform/ touch Prisma': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/control-plane/src/secrets/seed.service.ts',
    refused: imports('../platform/prisma-client/client.ts'),
    accepted: imports('../platform/prisma-client/client.ts'),
    acceptedAt: 'apps/control-plane/src/secrets/seed.store.ts',
  },
  'a slice is entered through its index.ts': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/control-plane/src/secrets/seed.ts',
    refused: imports('../groups/groups.store.ts'),
    accepted: imports('../groups/index.ts'),
  },
  'platform/ knows no slice': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/control-plane/src/platform/seed.ts',
    refused: imports('../groups/index.ts'),
    accepted: imports('./db.ts'),
  },
  'the test kit stays out of programs': {
    rule: 'eslint(no-restricted-imports)',
    at: 'apps/agent/src/seed-testkit.ts',
    refused: imports('@sallyport/testkit/clock'),
    accepted: imports('@sallyport/testkit/clock'),
    acceptedAt: 'apps/agent/test/seed.ts',
  },
  'the environment is read by configuration only': {
    rule: 'node(no-process-env)',
    at: 'apps/agent/src/seed-environment.ts',
    refused: "export const home = process.env['HOME'];",
    accepted: "export const home = process.env['HOME'];",
    acceptedAt: 'packages/config/src/seed.ts',
  },
  'a module has no default export': {
    rule: 'import(no-default-export)',
    at: 'apps/agent/src/seed-default.ts',
    refused: 'export default 1;',
    accepted: 'export const one = 1;',
  },
  'modules are not mocked': {
    rule: 'jest(no-restricted-jest-methods)',
    at: 'apps/agent/src/seed-mock.test.ts',
    refused: "import { jest } from '@jest/globals';\njest.spyOn(Date, 'now');",
    accepted: "import { jest } from '@jest/globals';\njest.retryTimes(0);",
  },
  'no value is of type any': {
    rule: 'typescript(no-explicit-any)',
    at: 'apps/agent/src/seed-any.ts',
    refused: 'export const seed = (value: any): unknown => value;',
    accepted: 'export const seed = (value: unknown): unknown => value;',
  },
  'no promise is left floating': {
    rule: 'typescript(no-floating-promises)',
    at: 'apps/agent/src/seed-promise.ts',
    refused: 'Promise.resolve(1);',
    accepted: 'await Promise.resolve(1);',
  },
};

describe('[AX-27] a seeded violation fails', () => {
  let refused: z.infer<typeof report>['diagnostics'];
  let accepted: typeof refused;
  const folders: string[] = [];

  beforeAll(async () => {
    const broken = Object.values(seeds).map((seed): [string, string] => [seed.at, seed.refused]);
    const sound = Object.values(seeds).map((seed): [string, string] => [
      seed.acceptedAt ?? seed.at,
      seed.accepted,
    ]);
    refused = await lint(broken);
    accepted = await lint(sound);
  });
  afterAll(async () => {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true })));
  });

  /** Lints the files in a folder that has this repository's rules and nothing else of it. */
  async function lint(files: [path: string, text: string][]) {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-lint-'));
    folders.push(folder);
    for (const file of [
      'oxlint.config.ts',
      'tools/boundaries.ts',
      'tsconfig.base.json',
      'package.json',
    ]) {
      await cp(join(root, file), join(folder, file));
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(
      join(folder, 'tsconfig.json'),
      '{ "extends": "./tsconfig.base.json", "include": ["apps", "packages"] }',
    );
    for (const [path, text] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), `${text}\nexport {};\n`);
    }
    const output = await new Promise<string>((resolve) => {
      const oxlint = join(root, 'node_modules/.bin/oxlint');
      execFile(oxlint, ['--format=json', 'apps', 'packages'], { cwd: folder }, (_error, stdout) =>
        resolve(stdout),
      );
    });
    return report.parse(JSON.parse(output)).diagnostics;
  }

  const rulesAt = (diagnostics: typeof refused, path: string) =>
    diagnostics.filter(({ filename }) => filename === path).map(({ code }) => code);

  test.each(Object.entries(seeds))('%s', (_guarantee, seed) => {
    expect(rulesAt(refused, seed.at)).toContain(seed.rule);
    expect(rulesAt(accepted, seed.acceptedAt ?? seed.at)).not.toContain(seed.rule);
  });
});
