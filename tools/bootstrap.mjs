// Installs what the project needs, once per lockfile. Runs on any Node from 20 on, with nothing installed.
// Everything it says goes to stderr, so that `--json` of what it starts stays readable.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binaries = join(root, 'node_modules', '.bin');
const stampFile = join(root, 'node_modules', '.sallyport-stamp');
const lockFile = join(root, '.bootstrap-lock');
const generated = join(root, 'apps/control-plane/src/platform/prisma-client');
const schema = 'prisma/schema.prisma';
const inputs = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', schema];

const say = (text) => process.stderr.write(`sallyport: ${text}\n`);

if (!isInstalled()) {
  await acquireLock();
  try {
    // Whoever held the lock has just done it.
    if (!isInstalled()) await install();
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  } finally {
    rmSync(lockFile, { force: true });
  }
}

function stamp() {
  const hash = createHash('sha256');
  for (const input of inputs) {
    const path = join(root, input);
    hash.update(`${input}\0`).update(existsSync(path) ? readFileSync(path) : '');
  }
  return `${hash.digest('hex')}\n`;
}

function isInstalled() {
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp()) return false;
  return existsSync(generated) || !existsSync(join(root, schema));
}

async function install() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await run('installing the dependencies (about half a minute, once)', 'npx', [
    '--yes',
    packageManager,
    'install',
    '--frozen-lockfile',
  ]);
  await checkNode();
  if (existsSync(join(root, schema))) {
    // Generating needs no schema engine, which Prisma would otherwise download.
    await run(
      'generating the database client',
      join(binaries, 'prisma'),
      ['generate', '--schema', schema],
      { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', PATH: `${binaries}:${process.env.PATH}` },
    );
  }
  writeFileSync(stampFile, stamp());
}

/** Node 26 comes from npm; where it has none for this platform, the caller's own must be new enough. */
async function checkNode() {
  const brought = join(binaries, 'node');
  if (existsSync(brought)) {
    try {
      await run('checking Node', brought, ['--version']);
    } catch (error) {
      // Left in place, it would be the first `node` on the next run's PATH, and fail before a word.
      rmSync(brought);
      rmSync(join(root, 'node_modules', '.modules.yaml'), { force: true });
      throw error;
    }
    return;
  }
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 24 || (major === 24 && minor < 9)) {
    throw new Error(
      `npm has no Node 26 for ${process.platform}-${process.arch}; install Node 24.9 or later yourself and try again`,
    );
  }
}

/** Runs one step quietly; its output is shown when it fails. */
async function run(what, command, args, env = {}) {
  const startedAt = Date.now();
  const seconds = () => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
  say(`${what} …`);
  const ticker = setInterval(
    () => say(`… ${seconds()}, still ${what.replace(/ \(.*/, '')}`),
    10_000,
  );
  const { NODE_ENV: _production, ...inherited } = process.env;
  let output = '';
  const child = spawn(command, args, {
    cwd: root,
    env: { ...inherited, CI: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', resolve);
  });
  clearInterval(ticker);
  say(`${code === 0 ? 'done' : `failed (${code})`} after ${seconds()}`);
  if (code !== 0) throw new Error(`${advice(output + code)}\n${output}`);
}

function advice(output) {
  if (output.includes('libatomic')) {
    return 'Node 26 needs libatomic1; install it, on Debian with: apt-get install libatomic1';
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT/.test(output)) {
    return 'the npm registry cannot be reached; check the network, or npm’s proxy and registry settings';
  }
  if (output.includes('ENOSPC')) return 'the disk is full; free about 1 GB';
  if (/EACCES|EROFS/.test(output)) return 'this folder cannot be written to';
  return 'set-up failed; what the step printed:';
}

/** One set-up at a time: a second run waits for the first, and takes over from one that was killed. */
async function acquireLock() {
  const own = `${lockFile}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    for (let waited = 0; !tryLock(own); waited += 1) {
      if (waited === 0) say('another run is setting up; waiting for it');
      if (waited > 2_400) {
        say(`still not done after ten minutes; if nothing is running, remove ${lockFile}`);
        process.exit(1);
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function tryLock(own) {
  try {
    linkSync(own, lockFile);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = holderOf(lockFile);
  if (holder === undefined || isRunning(holder)) return false;
  // Moved away first: of two that find it stale, one gets the move.
  const stale = `${own}.stale`;
  try {
    renameSync(lockFile, stale);
  } catch {
    return false;
  }
  if (holderOf(stale) !== holder) linkSync(stale, lockFile);
  rmSync(stale, { force: true });
  return false;
}

function holderOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
