import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { fileFault } from '../files/file-fault.ts';
import type { Ownership } from '../files/ownership.ts';
import { refuseIrregular } from '../files/refuse-irregular.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { removeLeftovers, temporaryFor } from './leftovers.ts';

/** The file that a template becomes. */
export type OutputFile = {
  path: string;
  mode: number;
  ownership: Ownership | undefined;
  /** Whether the file before is kept as `<path>.bak`. */
  backup: boolean;
};

const PERMISSIONS = 0o7777;

/**
 * Brings a file to a text, as a whole or not at all, and to its owner and mode. What is as it should be is not
 * written. Resolves to whether the text is another than before. What a killed process left of that is removed.
 *
 * @throws AgentError `file.unusable`
 */
export async function writeOutput(output: OutputFile, text: string): Promise<boolean> {
  const { path, mode, ownership, backup } = output;
  const name = basename(path);
  await removeLeftovers(dirname(path), [name, `${name}.bak`]);
  try {
    const { stats: there, content: before } = (await read(path)) ?? {};
    const isNews = before === undefined || !before.equals(Buffer.from(text));
    const isAsWanted =
      there !== undefined &&
      (there.mode & PERMISSIONS) === mode &&
      [there.uid, undefined].includes(ownership?.user) &&
      [there.gid, undefined].includes(ownership?.group);
    if (!isNews && isAsWanted) return false;
    if (backup && isNews && there !== undefined && before !== undefined)
      await write(`${path}.bak`, before, {
        mode: there.mode & PERMISSIONS,
        ownership: { user: there.uid, group: there.gid },
      });
    await write(path, text, { mode, ownership });
    return isNews;
  } catch (error) {
    throw fileFault(error, path);
  }
}

/**
 * A file as it is, content and owner of the same one: whoever may change its folder could put a link in its place
 * between two looks.
 */
async function read(path: string): Promise<{ stats: Stats; content: Buffer } | undefined> {
  if ((await refuseIrregular(path)) === undefined) return undefined;
  await using file = await open(
    path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  const stats = await file.stat();
  if (!stats.isFile())
    throw new AgentError('file.unusable', `${path} was replaced while it was read`, {
      advice: 'put a file there, in a folder that nobody else may change',
    });
  return { stats, content: await file.readFile() };
}

async function write(
  path: string,
  data: string | Uint8Array,
  as: Pick<OutputFile, 'mode' | 'ownership'>,
): Promise<void> {
  await refuseIrregular(path);
  await writeFileAtomically(path, data, { ...as, temporary: temporaryFor(path) });
}
