import { once } from 'node:events';
import { lstat, rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { resolve } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

/** `sun_path` less its final NUL: 108 on Linux, 104 on macOS and the BSDs. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;
const ALL_PERMISSIONS = 0o777;
const SET_ANOTHER = 'set a short one with --socket or SALLYPORT_AGENT_SOCKET';

/**
 * Listens on a unix socket of the given mode, which at no time has a wider one. A socket that nobody
 * answers at any more is replaced.
 *
 * @throws AgentError `socket.path_too_long`, `socket.in_use`, `socket.unusable`
 */
export async function listenOnSocket(server: Server, name: string, mode: number): Promise<void> {
  if (name === '')
    throw new AgentError('socket.unusable', 'the socket path is empty', { advice: SET_ANOTHER });
  // `listen` and `connect` take a number alone for a TCP port, on all interfaces.
  const path = resolve(name);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    throw new AgentError(
      'socket.path_too_long',
      `the socket path is ${bytes} bytes long, and the system allows ${MAX_PATH_BYTES}`,
      { advice: SET_ANOTHER },
    );
  }
  try {
    await makeWay(path);
    await bind(server, path, mode);
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError(
      'socket.unusable',
      `no socket can be made at ${path} (${codeOf(error) ?? 'unknown reason'})`,
      {
        advice: 'choose a directory that exists and that this user may write',
        cause: error,
      },
    );
  }
}

async function makeWay(path: string): Promise<void> {
  const there = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (there === undefined) return;
  if (!there.isSocket()) {
    throw new AgentError('socket.unusable', `${path} is not a socket`, {
      advice: 'move it away, or choose another socket path',
    });
  }
  if (await isAnswered(path)) {
    throw new AgentError('socket.in_use', `another agent answers at ${path}`, {
      advice: 'stop it, or choose another socket path',
    });
  }
  await rm(path, { force: true });
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED' || codeOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

/** The umask decides the mode that a socket is born with; `listen` binds before it returns. */
async function bind(server: Server, path: string, mode: number): Promise<void> {
  const listening = once(server, 'listening');
  const umask = process.umask(ALL_PERMISSIONS & ~mode);
  try {
    server.listen({ path });
  } finally {
    process.umask(umask);
  }
  await listening;
}
