import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Everything in the files below a directory; what is replaced meanwhile is left out. */
export async function contentsBelow(directory: string): Promise<string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  const contents = await Promise.all(
    found
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1').catch(() => '')),
  );
  return contents.filter((content) => content !== '');
}
