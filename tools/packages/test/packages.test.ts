import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { ControlPlaneDouble } from '../../../apps/agent/test/control-plane-double.ts';
import { until } from '../../../apps/agent/test/harness.ts';
import { root } from '../one-file.ts';
import { describeInstalled } from './installed.ts';
import { hasDpkg } from './machine.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;
/** Twice eight seconds, on a machine that does nothing else. */
const BUILDING_MS = 180_000;

let folder: TempDirectory;
let made: string;
let again: string;
let executable: string;

async function makePackages(name: string, umask: string): Promise<string> {
  const into = join(folder.path, name);
  await mkdir(into);
  const script = `umask ${umask} && exec "$0" "$@"`;
  const program = [process.execPath, join(root, 'tools/package.ts'), '--into', into];
  await run('sh', ['-c', script, ...program], {
    env: { PATH: process.env['PATH'], SOURCE_DATE_EPOCH: '1000000000' },
  });
  return into;
}

beforeAll(async () => {
  folder = await createTempDirectory('packages');
  made = await makePackages('made', '022');
  again = await makePackages('again', '077');
  executable = join(made, 'sallyport-agent');
}, BUILDING_MS);
afterAll(async () => {
  await folder.remove();
  await expectNoLeftovers();
});

test('[SG-36] the same sources make the same bytes, whatever the umask', async () => {
  const sums = async (into: string) =>
    Promise.all(
      (await readdir(into)).toSorted().map(async (name) => {
        const sum = createHash('sha256').update(await readFile(join(into, name)));
        return `${name} ${sum.digest('hex')}`;
      }),
    );
  expect(await sums(again)).toEqual(await sums(made));
});

describe('[SG-08] the executable', () => {
  /** Alone: in an empty folder, with no program in its PATH. */
  const alone = (args: string[], env: Record<string, string> = {}) =>
    run(executable, args, { cwd: folder.path, env: { PATH: '/nowhere', ...env } });

  test('needs no Node and no packages', async () => {
    expect((await alone(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await alone(['config', 'reference'])).stdout).toContain('SALLYPORT_AGENT_STATE_DIR');
    await expect(alone(['get', '--socket', join(folder.path, 'none'), 'x'])).rejects.toMatchObject({
      code: 4,
    });
  });

  test('takes no code and no options from the environment', async () => {
    const file = join(folder.path, 'first.cjs');
    await writeFile(file, 'process.stdout.write("first")');
    const required = { NODE_OPTIONS: `--require ${file}` };
    expect((await alone(['--version'], required)).stdout).not.toContain('first');
    const { stdout } = await run(process.execPath, ['--version'], { env: {} });
    expect(stdout).not.toContain('first');
    expect((await run(process.execPath, ['-p', '1'], { env: required })).stdout).toBe('first1\n');
  });

  test('[SG-07] is at most 125 MiB, the package at most 45', async () => {
    expect((await stat(executable)).size).toBeLessThan(125 * MIB);
    const deb = (await readdir(made)).find((name) => name.endsWith('.deb'));
    if (deb !== undefined) expect((await stat(join(made, deb))).size).toBeLessThan(45 * MIB);
  });

  test('enrols, serves what the control plane has, and answers', async () => {
    await using double = await ControlPlaneDouble.start();
    double.putSecret('db/password', 'correct horse');
    const at = ['--state-dir', join(folder.path, 'state'), '--socket', join(folder.path, 'socket')];
    const from = ['--url', double.url, '--fingerprint', double.fingerprint, '--token-file', '-'];
    const start = (args: string[], input?: string) =>
      startProcess({
        command: [executable, ...args, ...at],
        cwd: folder.path,
        ...(input === undefined ? {} : { input }),
      });
    const enrolment = start(['enroll', ...from], double.mintToken());
    expect(await enrolment.exited).toEqual({ code: 0, signal: null });
    const agent = start(['run']);
    const value = await until(async () => {
      const got = start(['get', 'db/password']);
      return (await got.exited).code === 0 && got.stdout[0];
    });
    expect(value).toBe('correct horse');
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });
});

const why = hasDpkg() ? undefined : 'there is no dpkg-deb';
const describeDeb = why === undefined ? describe : describe.skip;

describeDeb(titleOrLeftOut('[SG-36] the Debian package', why), () => {
  const about = async (what: string) => {
    const deb = (await readdir(made)).find((name) => name.endsWith('.deb')) ?? '';
    return (await run('dpkg-deb', [what, join(made, deb)])).stdout;
  };

  test('is root’s, dated as it is told to, with a mode for each file', async () => {
    const lines = (await about('--contents')).trim().split('\n');
    const files = lines.map((line) => line.split(/\s+/)).filter(([mode = '']) => mode[0] === '-');
    expect(
      files.map(([mode, owner, , date, , path]) => `${mode} ${owner} ${date} ${path}`),
    ).toEqual([
      '-rw-r--r-- root/root 2001-09-09 ./etc/sallyport/agent.yaml',
      '-rw-r--r-- root/root 2001-09-09 ./lib/systemd/system/sallyport-agent.service',
      '-rwxr-xr-x root/root 2001-09-09 ./usr/bin/sallyport-agent',
      '-rw-r--r-- root/root 2001-09-09 ./usr/share/bash-completion/completions/sallyport-agent',
      '-rw-r--r-- root/root 2001-09-09 ./usr/share/doc/sallyport-agent/copyright',
      '-rw-r--r-- root/root 2001-09-09 ./usr/share/doc/sallyport-agent/examples/agent-token.conf',
      '-rw-r--r-- root/root 2001-09-09 ./usr/share/fish/vendor_completions.d/sallyport-agent.fish',
      '-rw-r--r-- root/root 2001-09-09 ./usr/share/zsh/vendor-completions/_sallyport-agent',
    ]);
  });

  test('names what it needs, and its version', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'apps/agent/package.json'), 'utf8'));
    const info = await about('--info');
    expect(info).toContain(` Version: ${version}\n`);
    expect(info).toMatch(/ Depends: .*libatomic1.*\n/);
  });

  test('brings the licence of Node and of every package that is in it', async () => {
    const into = join(folder.path, 'unpacked');
    const deb = (await readdir(made)).find((name) => name.endsWith('.deb')) ?? '';
    await run('dpkg-deb', ['--extract', join(made, deb), into]);
    const licences = await readFile(join(into, 'usr/share/doc/sallyport-agent/copyright'), 'utf8');
    const { dependencies } = JSON.parse(
      await readFile(join(root, 'apps/agent/package.json'), 'utf8'),
    );
    const names = Object.keys(dependencies).filter((name) => !name.startsWith('@sallyport/'));
    for (const name of ['Node.js', ...names]) expect(licences).toContain(`\n${name} `);
  });
});

describeInstalled(() => made);
