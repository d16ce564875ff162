import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { buildDebianPackage } from './packages/debian-package.ts';
import { buildExecutable } from './packages/executable.ts';
import { root } from './packages/one-file.ts';

/**
 * `node tools/package.ts [--into FOLDER] [--executable]` makes the agent one executable and, where there is
 * `dpkg-deb` and `--executable` does not ask for that alone, a Debian package, into dist/ by default. Both are for
 * the system and the processor that this runs on. What is in the package is dated by SOURCE_DATE_EPOCH, or else by
 * the last commit.
 */
const { values } = parseArgs({
  options: {
    into: { type: 'string', default: join(root, 'dist') },
    executable: { type: 'boolean', default: false },
  },
});
const into = resolve(values.into);
const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(root, 'apps/agent/package.json'), 'utf8')));

await mkdir(into, { recursive: true });
const executable = await buildExecutable(into);
if (!executable.stripped) say('strip is not there: the executable keeps the symbols of Node');
await sayMade(executable.path);
if (!values.executable) {
  if (isThere('dpkg-deb'))
    await sayMade(await buildDebianPackage(executable, into, { version, epoch: epoch() }));
  else say('dpkg-deb is not there: no Debian package is made');
}

function epoch(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined) return z.coerce.number().int().min(0).parse(given);
  const log = ['log', '-1', '--format=%ct'];
  return isThere('git') ? Number(execFileSync('git', log, { cwd: root, encoding: 'utf8' })) : 0;
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function sayMade(path: string): Promise<void> {
  const { size } = await stat(path);
  say(`${relative(root, path)} (${Math.ceil(size / 1024 / 1024)} MiB)`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
