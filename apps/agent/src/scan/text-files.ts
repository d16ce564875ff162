import type { Stats } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../state/system-error.ts';

/** What other programs put there, and nobody wrote. */
const PASSED_OVER = new Set(['.git', '.hg', '.svn', 'node_modules', '__pycache__', '.venv']);
const MAX_BYTES = 1024 * 1024;
const PROBE_BYTES = 8 * 1024;

/** A text of the tree, or a file that was passed over because it is too large. */
export type Found = { path: string; text: string } | { path: string; tooLarge: true };

/**
 * The texts below a directory, or the one file that is named, in the order of their paths. No link is followed, and
 * what is removed meanwhile is passed over.
 */
export async function* textFiles(root: string): AsyncGenerator<Found> {
  yield* below(root, await lstat(root));
}

async function* below(path: string, stats: Stats): AsyncGenerator<Found> {
  if (stats.isFile()) yield* read(path, stats.size);
  if (!stats.isDirectory()) return;
  const entries = (await unlessGone(readdir(path))) ?? [];
  for (const name of entries.toSorted()) {
    if (PASSED_OVER.has(name)) continue;
    const inside = join(path, name);
    const found = await unlessGone(lstat(inside));
    if (found !== undefined) yield* below(inside, found);
  }
}

async function* read(path: string, bytes: number): AsyncGenerator<Found> {
  await using file = await unlessGone(open(path));
  if (file === undefined) return;
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(PROBE_BYTES), position: 0 });
  // A zero byte is in no text, and in most other files.
  if (buffer.subarray(0, bytesRead).includes(0)) return;
  if (bytes > MAX_BYTES) yield { path, tooLarge: true };
  else yield { path, text: (await file.readFile()).toString() };
}

async function unlessGone<Value>(wanted: Promise<Value>): Promise<Value | undefined> {
  return wanted.catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
}
