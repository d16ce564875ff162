import { chmod, mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Secret } from '@sallyport/config/secret';
import { generateRootKey, parseRootKey } from '@sallyport/crypto/root-key';

/** Where the root key came from, and how to name that to people. */
export type RootKey = { key: Uint8Array; source: string };

/**
 * The root key from configuration, or else from `root-key` in the data folder, made there at the first start.
 *
 * @throws Error in words for operators: a malformed key, or a file that others can read
 */
export async function loadRootKey(
  configured: Secret | undefined,
  dataDir: string,
): Promise<RootKey> {
  if (configured !== undefined) {
    return { key: parse(configured.reveal(), 'rootKey'), source: 'the configured rootKey' };
  }
  const path = join(dataDir, 'root-key');
  const text = await read(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return create(dataDir, path);
    throw error;
  });
  return { key: parse(text, path), source: path };
}

async function read(path: string): Promise<string> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new Error(
      `${path} can be read by others (mode ${(mode & 0o777).toString(8)}); run: chmod 600 ${path}`,
    );
  }
  return readFile(path, 'utf8');
}

/** `wx` and one write: of two first starts at once, one makes the key and the other is told to try again. */
async function create(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const text = generateRootKey();
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(path, 0o600);
  return text;
}

function parse(text: string, where: string): Uint8Array {
  try {
    return parseRootKey(text);
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : 'not a root key'}`, {
      cause: error,
    });
  }
}
