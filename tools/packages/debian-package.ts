import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  copyFile,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Executable } from './executable.ts';
import { root } from './one-file.ts';

const run = promisify(execFile);
const sources = join(root, 'packaging/agent');
const architectures: Partial<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
/** Where it goes, and where it is in `packaging/agent`. */
const FILES: [path: string, source: string][] = [
  ['etc/sallyport/agent.yaml', 'agent.yaml'],
  ['lib/systemd/system/sallyport-agent.service', 'sallyport-agent.service'],
  ['usr/share/doc/sallyport-agent/examples/agent-token.conf', 'agent-token.conf'],
];

/** Where each shell looks for what the executable prints for it. */
const COMPLETIONS: [path: string, shell: string][] = [
  ['usr/share/bash-completion/completions/sallyport-agent', 'bash'],
  ['usr/share/fish/vendor_completions.d/sallyport-agent.fish', 'fish'],
  ['usr/share/zsh/vendor-completions/_sallyport-agent', 'zsh'],
];

export type Release = {
  version: string;
  /** Seconds since 1970 that everything in it is dated to (SOURCE_DATE_EPOCH). */
  epoch: number;
};

/**
 * Makes a Debian package of an executable, without root. The same executable and release give the same bytes.
 * Returns its path.
 */
export async function buildDebianPackage(
  executable: Executable,
  into: string,
  { version, epoch }: Release,
): Promise<string> {
  const architecture = architectures[process.arch];
  if (architecture === undefined) throw new Error(`Debian has no name for ${process.arch}`);
  const tree = await mkdtemp(join(into, 'deb-'));
  try {
    await chmod(tree, 0o755);
    await place(executable.path, join(tree, 'usr/bin/sallyport-agent'), 0o755);
    for (const [path, source] of FILES) await place(join(sources, source), join(tree, path), 0o644);
    for (const [path, shell] of COMPLETIONS) {
      const { stdout } = await run(executable.path, ['completion', shell]);
      await mkdir(join(tree, dirname(path)), { recursive: true });
      await writeFile(join(tree, path), stdout);
    }
    const licences = join(tree, 'usr/share/doc/sallyport-agent/copyright');
    await writeFile(licences, executable.licences);
    await addControl(tree, { VERSION: version, ARCHITECTURE: architecture });
    await dateAll(tree, epoch);
    const path = join(into, `sallyport-agent_${version}_${architecture}.deb`);
    // Level 3 takes a second and makes 38 MiB; xz takes half a minute and makes 31.
    const how = ['--root-owner-group', '-Zzstd', '-z3', '--build'];
    await run('dpkg-deb', [...how, tree, path], {
      env: { PATH: process.env['PATH'], SOURCE_DATE_EPOCH: String(epoch) },
    });
    return path;
  } finally {
    await rm(tree, { recursive: true });
  }
}

async function place(from: string, to: string, mode: number): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
  await chmod(to, mode);
}

/** `DEBIAN/`, which dpkg reads and installs nothing of. */
async function addControl(tree: string, words: Record<string, string>): Promise<void> {
  const installed = await filesBelow(tree);
  const sizes = await Promise.all(installed.map(async (file) => (await stat(file)).size));
  const kib = Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 1024);
  const sums = await Promise.all(
    installed.map(async (file) => {
      const sum = createHash('md5').update(await readFile(file));
      return `${sum.digest('hex')}  ${relative(tree, file)}\n`;
    }),
  );
  const control = join(tree, 'DEBIAN');
  await mkdir(control);
  for (const script of SCRIPTS) {
    await place(join(sources, 'debian', script), join(control, script), 0o755);
  }
  const template = await readFile(join(sources, 'debian/control'), 'utf8');
  const filled = Object.entries({ ...words, INSTALLED_SIZE: String(kib) }).reduce(
    (text, [word, value]) => text.replace(`@${word}@`, value),
    template,
  );
  await writeFile(join(control, 'control'), filled);
  await writeFile(join(control, 'md5sums'), sums.join(''));
  const kept = FILES.filter(([path]) => path.startsWith('etc/'));
  await writeFile(join(control, 'conffiles'), kept.map(([path]) => `/${path}\n`).join(''));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name)).toSorted();
}

/** Modes as well, which the umask of whoever builds has narrowed. */
async function dateAll(tree: string, epoch: number): Promise<void> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  for (const path of [...paths.toSorted().toReversed(), tree]) {
    const { mode } = await stat(path);
    await chmod(path, (mode & 0o111) === 0 ? 0o644 : 0o755);
    await lutimes(path, epoch, epoch);
  }
}
