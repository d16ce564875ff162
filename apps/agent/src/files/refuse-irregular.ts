import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

/**
 * What there is of a file that is about to be replaced; undefined where there is none. A device, a pipe or a link is
 * somebody's, and a rename would put a file in its place.
 *
 * @throws AgentError `file.unusable`
 */
export async function refuseIrregular(path: string): Promise<Stats | undefined> {
  const there = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (there === undefined || there.isFile()) return there;
  throw new AgentError('file.unusable', `${path} is there, and is no regular file`, {
    advice: 'name another path, or move what is there',
  });
}
