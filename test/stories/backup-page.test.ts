import { execFileSync } from 'node:child_process';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { outcomeOf } from '../fixtures/program.ts';

const PAGE = join(import.meta.dirname, '../../docs/backup.md');
const SECRET = '/groups/plant-7/secrets/db%2Fpassword';

let installation: Installation;
/** A control plane that keeps its database and its root key in `.sallyport`. */
let environment: Record<string, string>;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  // The embedded server runs as a user of its own when the test runs as root.
  await chmod(installation.folder, 0o711);
  const {
    DATABASE_URL: _,
    SALLYPORT_ROOT_KEY_FILE: _file,
    ...rest
  } = await installation.replicaEnvironment('.sallyport');
  environment = rest;
});
afterAll(() => installation.end());

/** The blocks of the page in a language, in its order, as lines. */
async function blocks(language: string): Promise<string[][]> {
  const page = await readFile(PAGE, 'utf8');
  const found = page.matchAll(new RegExp(`^\`\`\`${language}\\n([^\`]+)^\`\`\``, 'gm'));
  return [...found].map(([, block = '']) => block.trimEnd().split('\n'));
}

/** Runs a block's commands in the installation's folder; returns what the control plane's own printed. */
async function run(block: readonly string[] = []): Promise<string[]> {
  const printed: string[] = [];
  for (const line of block) {
    const [, args] = /^bin\/sallyport-server (.*)$/.exec(line) ?? [];
    if (args === undefined) {
      execFileSync('sh', ['-euc', line], { cwd: installation.folder });
      continue;
    }
    const started = installation.start('control-plane', args.split(' '), environment);
    const { code, stdout, stderr } = await outcomeOf(started);
    expect({ line, code, stderr }).toMatchObject({ line, code: 0 });
    printed.push(stdout);
  }
  return printed;
}

/** What an operator does while the control plane runs, which is stopped again. */
async function whileItRuns(
  work: (on: { replica: Replica; owner: Operator }) => Promise<void>,
): Promise<void> {
  const replica = await installation.restart({ environment });
  await work({ replica, owner: await installation.signIn(replica) });
  expect(await replica.process.stop()).toMatchObject({ code: 0 });
}

test('the commands of docs/backup.md bring an installation back, and its agents take what it holds', async () => {
  const [backUp, restore] = await blocks('sh');
  await whileItRuns(async ({ replica, owner }) => {
    await owner.do('POST', '/groups', { name: 'plant-7' });
    await owner.do('PUT', SECRET, { value: 'in the backup' });
    host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
    await host.run();
    await host.untilSecret('db/password', 'in the backup');
  });
  await run(backUp);
  await whileItRuns(async ({ owner }) => {
    await owner.do('PUT', SECRET, { value: 'after the backup' });
    await host.untilSecret('db/password', 'after the backup');
  });
  const printed = await run(restore);
  const [shown] = await blocks('text');
  expect(printed.join('').split('\n').slice(0, 2)).toEqual(shown);
  await whileItRuns(async () => {
    await host.untilSecret('db/password', 'in the backup');
  });
}, 180_000);
