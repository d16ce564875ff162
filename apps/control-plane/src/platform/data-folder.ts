import { mkdir } from 'node:fs/promises';

/** Makes the data folder where it is not there. @throws Error in words for operators */
export async function makeDataFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw withWayOut(error, path);
  });
}

/** What the system refuses in the data folder, in words for operators; anything else as it is. */
export function withWayOut(error: unknown, path: string): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  return new Error(
    `${path} cannot be used (${String(error.code)}); run this as the user that the data folder belongs to, or set dataDir`,
    { cause: error },
  );
}
