import { constants } from 'node:fs';
import { open, statfs, type FileHandle } from 'node:fs/promises';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

const MAX_BYTES = 4_096;
/** A pipe would hold a thread until somebody wrote into it, and with it the end of the process. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const CHANGED_BY_OTHERS = 0o022;
const READ_BY_OTHERS = 0o004;
/** tmpfs and ramfs (statfs(2)): where Docker, Kubernetes and systemd hand secrets over, readable within the mount. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6]);

/**
 * The agent token that a file holds now. It is read anew for each session, so that whoever rotates it only
 * puts another in its place.
 *
 * @throws AgentError `token_file.unusable`, `token_file.unsafe`
 */
export async function readTokenFile(path: string): Promise<string> {
  try {
    await using file = await open(path, WITHOUT_WAITING);
    await assertProtected(file, path);
    return await tokenIn(file, path);
  } catch (error) {
    const code = codeOf(error);
    throw code === undefined ? error : unusable(path, `cannot be read (${code})`, error);
  }
}

async function tokenIn(file: FileHandle, path: string): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES + 1));
  const text = buffer.toString('latin1', 0, bytesRead).trim();
  if (bytesRead > MAX_BYTES || !/^sp_agent_\w+$/.test(text))
    throw unusable(path, 'holds no agent token, which starts with sp_agent_');
  return text;
}

/** Whoever can change the file decides which agent this is; who can read it has half of what it takes to be it. */
async function assertProtected(file: FileHandle, path: string): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw unusable(path, 'is no file');
  const user = process.getuid?.();
  if (user !== undefined && stats.uid !== user && stats.uid !== 0)
    throw unsafe(path, `belongs to user ${stats.uid}`, `give it to user ${user} or to root`);
  if ((stats.mode & CHANGED_BY_OTHERS) !== 0)
    throw unsafe(path, 'can be changed by other users', `chmod go-w ${path}`);
  if ((stats.mode & READ_BY_OTHERS) !== 0 && !IN_MEMORY.has((await statfs(path)).type))
    throw unsafe(path, 'can be read by every user of this host', `chmod o-rwx ${path}`);
}

function unusable(path: string, what: string, cause?: unknown): AgentError {
  return new AgentError('token_file.unusable', `the token file ${path} ${what}`, {
    advice: 'put an agent token of this agent there; it is read again by itself',
    retryable: true,
    cause,
  });
}

function unsafe(path: string, what: string, advice: string): AgentError {
  return new AgentError('token_file.unsafe', `the token file ${path} ${what}`, {
    advice,
    retryable: true,
  });
}
