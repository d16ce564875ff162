import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileFault } from '../files/file-fault.ts';
import type { Ownership } from '../files/ownership.ts';
import { refuseIrregular } from '../files/refuse-irregular.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';

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
 * written. Resolves to whether the text is another than before.
 *
 * @throws AgentError `file.unusable`
 */
export async function writeOutput(output: OutputFile, text: string): Promise<boolean> {
  const { path, mode, ownership, backup } = output;
  try {
    const there = await refuseIrregular(path);
    const before = there === undefined ? undefined : await readFile(path);
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

async function write(
  path: string,
  data: string | Uint8Array,
  as: Pick<OutputFile, 'mode' | 'ownership'>,
): Promise<void> {
  await refuseIrregular(path);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  await writeFileAtomically(path, data, { ...as, temporary });
}
