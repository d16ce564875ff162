import type { Stats } from 'node:fs';
import { open, stat, statfs, type FileHandle } from 'node:fs/promises';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';
import { readAtMost, WITHOUT_WAITING } from './read-at-most.ts';

const MAX_BYTES = 4_096;
const CHANGED_BY_OTHERS = 0o022;
const READ_BY_OTHERS = 0o004;
/** tmpfs and ramfs (statfs(2)): where Docker, Kubernetes and systemd hand secrets over, readable within the mount. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6]);

/** What a file has to hold, for the check and for the error. */
export type TokenKind = {
  pattern: RegExp;
  called: string;
  advice: string;
  /** Whether everybody may read it where secrets are handed over, as one that is of no use without the agent's key. */
  sharedInMemory: boolean;
};

export const agentToken: TokenKind = {
  pattern: /^sp_agent_\w+$/,
  called: 'agent token, which starts with sp_agent_',
  advice: 'put an agent token of this agent there; it is read again by itself',
  sharedInMemory: true,
};

/**
 * The token that a file holds now. It is read anew by itself, so that whoever rotates it only puts another in its
 * place.
 *
 * @throws AgentError `token_file.unusable`, `token_file.unsafe`
 */
export async function readTokenFile(path: string, kind: TokenKind): Promise<string> {
  const unusable = (what: string, cause?: unknown) =>
    new AgentError('token_file.unusable', `the token file ${path} ${what}`, {
      advice: kind.advice,
      retryable: true,
      cause,
    });
  try {
    await using file = await open(path, WITHOUT_WAITING);
    const stats = await file.stat();
    if (!stats.isFile()) throw unusable('is no file');
    // Of the open file itself, whatever its path leads to by now.
    assertProtected(
      stats,
      path,
      kind.sharedInMemory && (await isInMemory(`/proc/self/fd/${file.fd}`)),
    );
    const token = await tokenIn(file, kind.pattern);
    if (token === undefined) throw unusable(`holds no ${kind.called}`);
    return token;
  } catch (error) {
    const code = codeOf(error);
    throw code === undefined ? error : unusable(`cannot be read (${code})`, error);
  }
}

/** Whether every user of this host can read a file, and nobody has handed it over in memory. False where there is none. */
export async function isReadByEveryone(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile() !== true || (stats.mode & READ_BY_OTHERS) === 0) return false;
  return !(await isInMemory(path));
}

async function tokenIn(file: FileHandle, pattern: RegExp): Promise<string | undefined> {
  const text = (await readAtMost(file, MAX_BYTES))?.toString('latin1').trim();
  return text !== undefined && pattern.test(text) ? text : undefined;
}

/** Whoever can change the file decides who is let in with it, and who can read it is let in. */
function assertProtected(stats: Stats, path: string, isShared: boolean): void {
  const user = process.getuid?.();
  if (user !== undefined && stats.uid !== user && stats.uid !== 0)
    throw unsafe(path, `belongs to user ${stats.uid}`, `give it to user ${user} or to root`);
  if ((stats.mode & CHANGED_BY_OTHERS) !== 0)
    throw unsafe(path, 'can be changed by other users', `chmod go-w ${path}`);
  if ((stats.mode & READ_BY_OTHERS) !== 0 && !isShared)
    throw unsafe(path, 'can be read by every user of this host', `chmod o-rwx ${path}`);
}

async function isInMemory(path: string): Promise<boolean> {
  return process.platform === 'linux' && IN_MEMORY.has((await statfs(path)).type);
}

function unsafe(path: string, what: string, advice: string): AgentError {
  return new AgentError('token_file.unsafe', `the token file ${path} ${what}`, {
    advice,
    retryable: true,
  });
}
