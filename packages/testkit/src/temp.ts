import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory of the caller's own: `await using dir = await createTempDirectory()`. */
export type TempDirectory = AsyncDisposable & { path: string; remove(): Promise<void> };

/** Mode 0700, by its real path; gone, with all that is in it, when disposed of. */
export async function createTempDirectory(label = 'test'): Promise<TempDirectory> {
  const path = await realpath(await mkdtemp(join(tmpdir(), `sallyport-${label}-`)));
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 3 });
  return { path, remove, [Symbol.asyncDispose]: remove };
}
