import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startProcess, type TestProcess } from './process.ts';
import {
  danteConfig,
  proxyUser,
  squidConfig,
  systemFiles,
  tinyproxyConfig,
  type ProxyFiles,
  type ProxySetup,
} from './proxy-configs.ts';
import { createTempDirectory } from './temp.ts';
import { until } from './until.ts';
import { unusedPort } from './unused-port.ts';

export { proxyUser };

/** Proxies that others wrote, as Debian has them. */
export type ProxyProgram = 'danted' | 'squid' | 'tinyproxy';

export type ProxyProgramOptions = Partial<ProxySetup> & {
  /** The names that it can resolve, and their addresses. */
  hosts: Readonly<Record<string, string>>;
  /** What it shows to clients that speak TLS to it. Squid alone can. */
  identity?: { cert: string; key: string };
};

export type RunningProxy = AsyncDisposable & { port: number; process: TestProcess };

/** Root's, which the PATH of other users lacks. */
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/**
 * A proxy has process and file system namespaces of its own: it resolves names and finds users by files of the
 * test's instead of those in /etc, and whatever it starts ends with it, however it is ended.
 */
export const ISOLATED = [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-current-user', '--keep-caps']),
  ...['--mount', '--pid', '--fork', '--kill-child'],
];

/**
 * Squid keeps shared memory, and finds that of another one. The shell stays the first process: a program that
 * becomes another user is no longer killed with its parent.
 */
const WITH_FILES = `
  cd "$1" && shift && mount -t tmpfs none /dev/shm || exit
  for each in hosts resolv.conf nsswitch.conf passwd shadow; do mount --bind $each /etc/$each || exit; done
  "$@"
  exit $?
`;

/** Why tests cannot have this program here; undefined where they can. */
export function whyWithout(program: ProxyProgram, overTls = false): string | undefined {
  const run = (command: string[]) =>
    spawnSync(command[0] ?? '', command.slice(1), { env: { PATH }, encoding: 'utf8' });
  const version = run([program, '-v']);
  if (version.error !== undefined) return `${program} is not installed`;
  if (overTls && !version.stdout.includes('--with-openssl'))
    return `${program} is built without OpenSSL`;
  const isolated = run([...ISOLATED, 'mount', '-t', 'tmpfs', 'none', '/dev/shm']);
  return isolated.status === 0 ? undefined : 'namespaces cannot be made here';
}

function filesOf(program: ProxyProgram, folder: string, setup: ProxySetup, hash: string) {
  if (program === 'tinyproxy') return tinyproxyConfig(folder, setup);
  return program === 'squid' ? squidConfig(folder, setup, hash) : danteConfig(folder, setup);
}

const foreground = {
  danted: (config: string) => ['-f', config],
  squid: (config: string) => ['-N', '-f', config],
  tinyproxy: (config: string) => ['-d', '-c', config],
};

/** Starts a real proxy on 127.0.0.1; resolves once it accepts connections, rejects when it ends before. */
export async function startProxyProgram(
  program: ProxyProgram,
  { hosts, identity, ...given }: ProxyProgramOptions,
): Promise<RunningProxy> {
  const port = given.port ?? (await unusedPort());
  const setup = { allowed: [], asksForPassword: false, ...given, port, overTls: !!identity };
  const hash = execFileSync('openssl', ['passwd', '-6', '-stdin'], {
    input: proxyUser.password,
    encoding: 'utf8',
  }).trim();
  const folder = await createTempDirectory(program);
  await write(folder.path, {
    ...systemFiles(hosts, hash),
    ...filesOf(program, folder.path, setup, hash),
    ...(identity ? { 'cert.pem': identity.cert, 'key.pem': identity.key } : {}),
  });
  const command = [program, ...foreground[program](join(folder.path, 'config'))];
  const running = startProcess({
    command: [...ISOLATED, 'sh', '-c', WITH_FILES, 'sh', folder.path, ...command],
    env: { PATH, TMPDIR: folder.path },
  });
  const end = async () => {
    running.kill('SIGKILL');
    await running.exited;
    await folder.remove();
  };
  try {
    await listening(running, port);
  } catch (error) {
    await end();
    throw error;
  }
  return { port, process: running, [Symbol.asyncDispose]: end };
}

/** Readable by the user that a proxy runs as in the end. */
async function write(folder: string, files: ProxyFiles): Promise<void> {
  await chmod(folder, 0o755);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}

async function listening(running: TestProcess, port: number): Promise<void> {
  let ended = false;
  void running.exited.then(() => (ended = true));
  await until(async () => {
    if (ended) throw new Error(`the proxy ended: ${running.output()}`);
    const socket = connect(port, '127.0.0.1');
    const accepted = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    return accepted;
  });
}
