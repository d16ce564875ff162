import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { until } from '../../../apps/agent/test/harness.ts';

const namespaces = ['--mount', '--pid', '--cgroup', '--ipc', '--uts'];
const script = join(import.meta.dirname, 'start-machine.sh');

export type Outcome = { code: number; stdout: string; stderr: string };

/**
 * A Debian machine with systemd, in namespaces of this one: it has this one's files and network, and keeps what it
 * changes to itself.
 */
export class Machine implements AsyncDisposable {
  readonly #memory: TempDirectory;
  readonly #cgroup: string;
  readonly #process: TestProcess;
  #init = 0;

  private constructor(memory: TempDirectory, cgroup: string, process: TestProcess) {
    this.#memory = memory;
    this.#cgroup = cgroup;
    this.#process = process;
  }

  /** Starts one that shows `packages` as /packages; resolves once systemd takes commands. */
  static async start(packages: string): Promise<Machine> {
    const memory = await createTempDirectory('machine');
    const cgroup = join(cgroups(), `sallyport-${randomBytes(4).toString('hex')}`);
    await mkdir(cgroup);
    const enter = 'echo $$ >"$0/cgroup.procs" && exec unshare --fork --kill-child "$@"';
    const started = startProcess({
      command: ['sh', '-c', enter, cgroup, ...namespaces, 'sh', script, memory.path, packages],
    });
    const machine = new Machine(memory, cgroup, started);
    try {
      await machine.#awaitSystemd();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #awaitSystemd(): Promise<void> {
    const { pid } = this.#process;
    this.#init = await until(
      async () => Number(await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')) || undefined,
    );
    const state = ['systemctl', 'is-system-running', '--wait'];
    await until(async () => (await this.run(...state)).stdout.trim() === 'running');
  }

  /** A command in there, to its end. */
  run(...command: string[]): Promise<Outcome> {
    return this.#runWith('', command);
  }

  /** The same, which must succeed; returns what it printed. */
  async done(...command: string[]): Promise<string> {
    return this.doneWith('', ...command);
  }

  /** The same, with this on its standard input. */
  async doneWith(input: string, ...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#runWith(input, command);
    if (code !== 0) throw new Error(`${command.join(' ')} exited ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  #runWith(input: string, command: string[]): Promise<Outcome> {
    const within = ['nsenter', `--target=${this.#init}`, ...namespaces];
    const env = { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };
    return new Promise((resolve) => {
      const [program = '', ...args] = [...within, ...command];
      const child = execFile(program, args, { env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // With it goes PID 1, and with that everything that runs in there.
    this.#process.kill('SIGKILL');
    await this.#process.exited;
    await until(() => this.#removeCgroup());
    await this.#memory.remove();
  }

  async #removeCgroup(): Promise<boolean> {
    const below = await readdir(this.#cgroup, { recursive: true, withFileTypes: true });
    const folders = below.filter((entry) => entry.isDirectory());
    const paths = folders.map((entry) => join(entry.parentPath, entry.name)).toSorted();
    try {
      for (const path of [this.#cgroup, ...paths].toReversed()) await rmdir(path);
      return true;
    } catch {
      // Its last process is about to go.
      return false;
    }
  }
}

/** Where the cgroups of version 2 are. */
function cgroups(): string {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const mount = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2');
  return mount?.[1] ?? '';
}

/** Why none can be made here; undefined where one can. */
export function whyNoMachine(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'this is not root on Linux';
  if (!existsSync('/lib/systemd/systemd')) return 'there is no systemd';
  if (!hasDpkg()) return 'there is no dpkg-deb';
  if (cgroups() === '') return 'there are no cgroups of version 2';
  const overlay =
    'd=$(mktemp -d) && mount -t tmpfs tmpfs $d && cd $d && mkdir u w r && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r && mount -t proc proc r/proc';
  const probe = spawnSync('unshare', ['--fork', ...namespaces, 'sh', '-c', overlay]);
  return probe.status === 0 ? undefined : 'namespaces and overlays may not be made';
}

export function hasDpkg(): boolean {
  return spawnSync('dpkg-deb', ['--version']).status === 0;
}
