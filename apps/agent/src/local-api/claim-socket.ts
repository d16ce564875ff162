import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, renameSync } from 'node:fs';
import { lstat, rename, rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { AgentError } from '../agent-error.ts';
import type { Ownership } from '../files/ownership.ts';
import { codeOf } from '../state/system-error.ts';
import { giveSocket } from './socket-ownership.ts';

/** `sun_path` less its final NUL: 108 on Linux, 104 on macOS and the BSDs. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;
const ALL_PERMISSIONS = 0o777;
const SET_ANOTHER = 'set a short one with --socket or SALLYPORT_AGENT_SOCKET';

/** The socket file that a server has made. */
export type ClaimedSocket = { path: string; inode: bigint | undefined };

/** Who may use a socket file; without owner and group it is of the user that runs this. */
export type SocketAccess = { mode: number; ownership?: Ownership | undefined };

/**
 * Listens on a unix socket of the given mode, which at no time has a wider one, nor is open to anybody before
 * it belongs to whom it should. A socket that nobody answers at any more is replaced.
 *
 * @throws AgentError `socket.path_too_long`, `socket.in_use`, `socket.unusable`
 */
export async function listenOnSocket(
  server: Server,
  name: string,
  access: SocketAccess,
): Promise<ClaimedSocket> {
  if (name === '')
    throw new AgentError('socket.unusable', 'the socket path is empty', { advice: SET_ANOTHER });
  // `listen` and `connect` take a number alone for a TCP port, on all interfaces.
  const path = resolve(name);
  assertPathFits(path);
  try {
    await makeWay(path);
    return { path, inode: await bind(server, path, access) };
  } catch (error) {
    if (error instanceof AgentError) throw error;
    if (codeOf(error) === 'EADDRINUSE') throw inUse(path);
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

/** @throws AgentError `socket.path_too_long`, where no socket can be made or reached */
export function assertPathFits(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return;
  throw new AgentError(
    'socket.path_too_long',
    `the socket path is ${bytes} bytes long, and the system allows ${MAX_PATH_BYTES}`,
    { advice: SET_ANOTHER },
  );
}

async function makeWay(path: string): Promise<void> {
  // What else keeps it from being looked at keeps a socket from being made there.
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isSocket()) {
    throw new AgentError('socket.unusable', `${path} is not a socket`, {
      advice: 'move it away, or choose another socket path',
    });
  }
  if (await isAnswered(path)) throw inUse(path);
  await discard(path);
}

/** Removes a socket that nobody answers at, unless another agent has put its own there since. */
async function discard(path: string): Promise<void> {
  const aside = besideOf(path);
  if (Buffer.byteLength(aside) > MAX_PATH_BYTES) return rm(path, { force: true });
  try {
    await rename(path, aside);
  } catch (error) {
    // Another agent was faster; who of the two gets the name is decided by the bind.
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (await isAnswered(aside)) {
    await rename(aside, path);
    throw inUse(path);
  }
  await rm(aside, { force: true });
}

function besideOf(path: string): string {
  return join(dirname(path), randomBytes(4).toString('hex'));
}

function inUse(path: string): AgentError {
  return new AgentError('socket.in_use', `another agent answers at ${path}`, {
    advice: 'stop it, or choose another socket path',
  });
}

/** Ends listening, which removes the socket: only if it is still the one that this server has made. */
export function stopListening(server: Server, { path, inode }: ClaimedSocket): void {
  if (inodeOf(path) === inode) return void server.close();
  // Closing removes whatever has the name, at once.
  const aside = besideOf(path);
  try {
    renameSync(path, aside);
  } catch {
    // What is gone or cannot be renamed cannot be removed either.
    return void server.close();
  }
  server.close();
  renameSync(aside, path);
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED' || codeOf(error) === 'ENOENT') return false;
    if (codeOf(error) === 'EACCES')
      throw new AgentError('socket.unusable', `a socket of another user is at ${path}`, {
        advice: 'see whether an agent answers there; if none does, remove it',
        cause: error,
      });
    throw error;
  } finally {
    socket.destroy();
  }
}

/** The umask decides the mode that a socket is born with; `listen` binds before it returns. */
async function bind(
  server: Server,
  path: string,
  { mode, ownership }: SocketAccess,
): Promise<bigint | undefined> {
  const listening = once(server, 'listening');
  const umask = process.umask(ownership === undefined ? ALL_PERMISSIONS & ~mode : ALL_PERMISSIONS);
  try {
    server.listen({ path });
  } finally {
    process.umask(umask);
  }
  const inode = inodeOf(path);
  await listening;
  if (ownership !== undefined) await handOver(server, { path, inode }, mode, ownership);
  return inode;
}

/** A socket that cannot be given to whom it should belong is for nobody. */
async function handOver(
  server: Server,
  made: ClaimedSocket,
  mode: number,
  ownership: Ownership,
): Promise<void> {
  try {
    giveSocket(made, mode, ownership);
  } catch (error) {
    const closed = once(server, 'close');
    stopListening(server, made);
    await closed;
    throw error;
  }
}
