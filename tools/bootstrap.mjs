// Installs what the project needs, once per lockfile. Runs on any Node from 20 on, with nothing installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, 'node_modules', '.sallyport-stamp');
const inputs = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'prisma/schema.prisma'];
const hash = createHash('sha256');
for (const input of inputs) hash.update(readFileSync(join(root, input)));
const stamp = `${hash.digest('hex')}\n`;

const isInstalled = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
if (!isInstalled) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await run('installing the dependencies (about half a minute, once)', 'npx', [
    '--yes',
    packageManager,
    'install',
    '--frozen-lockfile',
  ]);
  const binaries = join(root, 'node_modules', '.bin');
  await run('checking Node', join(binaries, 'node'), ['--version']);
  // Generating needs no schema engine, which Prisma would otherwise download.
  const env = { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', PATH: `${binaries}:${process.env.PATH}` };
  await run(
    'generating the database client',
    join(binaries, 'prisma'),
    ['generate', '--schema', 'prisma/schema.prisma'],
    env,
  );
  writeFileSync(stampFile, stamp);
}

/** Runs one step quietly; its output is shown when it fails. */
async function run(what, command, args, env = {}) {
  const startedAt = Date.now();
  process.stderr.write(`sallyport: ${what} … `);
  let output = '';
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, CI: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', resolve);
  });
  process.stderr.write(
    `${code === 0 ? 'done' : 'failed'} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`,
  );
  if (code === 0) return;
  process.stderr.write(`${output}\n${advice(output)}\n`);
  process.exit(1);
}

function advice(output) {
  if (output.includes('libatomic'))
    return 'sallyport: Node 26 needs libatomic1; install it, on Debian with: apt-get install libatomic1';
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT/.test(output))
    return 'sallyport: the npm registry cannot be reached; check the network or npm’s proxy settings';
  return 'sallyport: set-up failed; the output above says why';
}
