import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { LocalReply } from './harness.ts';

/** What runs a command as another user, who need not be in any file of the host. */
export const asUser = (uid: number, gid = uid): string[] => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--clear-groups',
];

/** Why nothing can be run as another user here; undefined where it can, Node too. */
export function whyNoOtherUser(): string | undefined {
  if (process.platform !== 'linux') return 'this is not Linux';
  if (process.getuid?.() !== 0) return 'only root runs programs as other users';
  const [program, ...args] = [...asUser(12_345), process.execPath, '--version'];
  return spawnSync(program, args).status === 0
    ? undefined
    : 'other users cannot run this Node (or there is no setpriv)';
}

/** What a program of this user is answered, and the process that asked. */
export async function askAs(
  uid: number,
  socket: string,
  path: string,
): Promise<Pick<LocalReply, 'status' | 'body'> & { closes: boolean; pid: number | undefined }> {
  const [program, ...args] = [
    ...asUser(uid),
    ...['curl', '--silent', '--include', '--max-time', '10', '--unix-socket', socket],
    `http://localhost${path}`,
  ];
  const asked = promisify(execFile)(program, args);
  const [head = '', body = ''] = (await asked).stdout.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
  return { status, body, closes: /^connection: close/im.test(head), pid: asked.child.pid };
}
