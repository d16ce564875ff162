import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** How a file that somebody names is opened: a pipe would hold a thread until somebody wrote into it. */
export const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** All of a file, whatever its size is said to be; undefined, and nothing left of it, where it is more than that. */
export async function readAtMost(file: FileHandle, maxBytes: number): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  while (length <= maxBytes) {
    const { bytesRead } = await file.read(buffer, length, buffer.byteLength - length, length);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  buffer.fill(0);
  return undefined;
}
