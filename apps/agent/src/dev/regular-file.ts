import { open, stat } from 'node:fs/promises';
import { decodeText, type FileText } from '@sallyport/config/protected-file';
import { readAtMost, WITHOUT_WAITING } from '../files/read-at-most.ts';
import { codeOf } from '../state/system-error.ts';

/** The text of a regular file, or why there is none, as the end of a sentence. */
export async function readText(path: string, maxBytes: number): Promise<FileText> {
  return orCode(
    async () => {
      await using file = await open(path, WITHOUT_WAITING);
      if (!(await file.stat()).isFile()) return { refused: 'is no regular file' };
      const bytes = await readAtMost(file, maxBytes);
      return bytes === undefined
        ? { refused: `is larger than ${maxBytes} bytes` }
        : decodeText(bytes);
    },
    (code) => ({ refused: `cannot be read (${code})` }),
  );
}

/** What a file differs by once it was written, or its mode changed; without reading it. */
export async function stampOf(path: string): Promise<string> {
  return orCode(
    async () => {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join();
    },
    (code) => code,
  );
}

async function orCode<T>(work: () => Promise<T>, otherwise: (code: string) => T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    return otherwise(code);
  }
}
