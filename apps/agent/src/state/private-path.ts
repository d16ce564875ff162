import type { Stats } from 'node:fs';
import { AgentError } from '../agent-error.ts';

const GROUP_AND_OTHERS = 0o077;

/**
 * Refuses a file or directory that anybody but the user running this may reach.
 *
 * @throws AgentError `state.unsafe`, whose advice is the command that repairs it
 */
export function assertPrivate(path: string, stats: Stats, expected: 'file' | 'directory'): void {
  const rightKind = expected === 'file' ? stats.isFile() : stats.isDirectory();
  if (!rightKind) {
    throw new AgentError('state.unsafe', `${path} is ${kindOf(stats)}, not a ${expected}`, {
      advice: `put a ${expected} of this agent’s own there, or choose another state directory`,
    });
  }
  const user = process.getuid?.();
  // The files of a service given to root would stop the service.
  const orTake = user === 0 ? '' : `, or: chown -R ${user} ${path}`;
  if (user !== undefined && stats.uid !== user) {
    throw new AgentError(
      'state.unsafe',
      `${path} belongs to user ${stats.uid}, and this runs as user ${user}`,
      {
        advice: `run as that user${orTake}`,
      },
    );
  }
  if ((stats.mode & GROUP_AND_OTHERS) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw new AgentError('state.unsafe', `${path} is open to other users (mode ${mode})`, {
      advice: `chmod ${expected === 'file' ? '600' : '700'} ${path}`,
    });
  }
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isDirectory()) return 'a directory';
  return stats.isFile() ? 'a file' : 'something else';
}
