import { constants, readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EISDIR: 'is a folder',
};

function systemCodeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error
    ? String(error.code)
    : 'unknown error';
}

export type FileText = { text: string } | { refused: string };

function refusedFor(error: unknown): FileText {
  const code = systemCodeOf(error);
  return { refused: reasons[code] ?? `cannot be read (${code})` };
}

/** The UTF-8 text of a file, or why there is none, as the end of a sentence. */
export function readText(path: string): FileText {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return refusedFor(error);
  }
  return decodeText(bytes);
}

/** As `readText`, for a program that serves meanwhile: nothing waits for the disk, nor for whoever writes to a pipe. */
export async function textOfFile(path: string): Promise<FileText> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) return { refused: 'is no file' };
    return decodeText(await file.readFile());
  } catch (error) {
    return refusedFor(error);
  }
}

/** The secret in the text of a file of its own, whose last line may have an end. */
export function secretIn(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** Bytes of a file as UTF-8. */
export function decodeText(bytes: Uint8Array): FileText {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { refused: 'is not UTF-8 text' };
  }
}

/** Who besides owner and group can get at a file, as the end of a sentence with what to do; undefined when nobody. */
export function exposureOf(path: string, holdsSecrets: boolean): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) return undefined;
  if ((stats.mode & 0o002) !== 0) {
    return 'can be changed by every user of this host; take that right away with chmod o-rwx';
  }
  if (holdsSecrets && (stats.mode & 0o004) !== 0) {
    return 'holds a secret and can be read by every user of this host; take that right away with chmod o-rwx';
  }
  return undefined;
}
