import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Secret } from '@sallyport/config/secret';
import { generateRootKey, parseRootKey } from '@sallyport/crypto/root-key';
import { withWayOut } from './data-folder.ts';

/** The root keys at hand, the one to use for a new installation first. */
export type RootKeyList = [Uint8Array, ...Uint8Array[]];

/** What the root key's file and those beside it are called, in the data folder. */
const FILE = 'root-key';
const NEXT = 'root-key.next';
const PREVIOUS = 'root-key.previous';
/** What `create` makes a key under, which a kill leaves there. */
const UNFINISHED = /^root-key(\.next)?\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The root keys from configuration, or else from the data folder: `root-key`, made there at the first start,
 * and the files that a rotation leaves beside it. Which of them counts, the database says.
 *
 * @throws Error in words for operators: a malformed key, or a file that others can read
 */
export async function loadRootKeys(
  configured: { rootKey?: Secret | undefined; previousRootKey?: Secret | undefined },
  dataDir: string,
): Promise<RootKeyList> {
  const { rootKey, previousRootKey } = configured;
  if (rootKey !== undefined) {
    const previous =
      previousRootKey === undefined ? [] : [parse(previousRootKey.reveal(), 'previousRootKey')];
    return [parse(rootKey.reveal(), 'rootKey'), ...previous];
  }
  if (previousRootKey !== undefined)
    throw new Error('previousRootKey: is of use beside rootKey only; set that too, or neither');
  const path = join(dataDir, FILE);
  const first = (await readKey(path)) ?? (await create(path));
  const others = [await readKey(join(dataDir, NEXT)), await readKey(join(dataDir, PREVIOUS))];
  return [first, ...others.filter((key) => key !== undefined)];
}

/** The key that a rotation of the file moves to: made now, unless an interrupted rotation made it already. */
export async function prepareNextRootKey(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, NEXT);
  return (await readKey(path)) ?? (await create(path));
}

/**
 * Puts the next root key's file in the place of the first, once the database has moved to it. The old one
 * stays beside it for replicas of this folder that still start with it, until the next rotation. What was left
 * by a kill while a key was made is removed: it may be one more name of a key that is to be gone one day.
 */
export async function promoteNextRootKey(dataDir: string): Promise<void> {
  const [file, previous] = [join(dataDir, FILE), join(dataDir, PREVIOUS)];
  // While both keys are there, nobody makes one.
  const unfinished = (await readdir(dataDir)).filter((name) => UNFINISHED.test(name));
  await Promise.all(unfinished.map((name) => rm(join(dataDir, name), { force: true })));
  await rm(previous, { force: true });
  await link(file, previous);
  await rename(join(dataDir, NEXT), file);
  await syncDirectory(dataDir);
}

async function readKey(path: string): Promise<Uint8Array | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0)
      throw new Error(
        `${path} can be read by others (mode ${(mode & 0o777).toString(8)}); run: chmod 600 ${path}`,
      );
    return parse(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw withWayOut(error, path);
  }
}

/**
 * Makes a key that is there as a whole or not at all. Of two that do so at once, one makes it and both read
 * the same.
 */
async function create(path: string): Promise<Uint8Array> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.${randomUUID()}`;
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(`${generateRootKey()}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await link(unfinished, path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  await rm(unfinished);
  await syncDirectory(dirname(path));
  const key = await readKey(path);
  if (key === undefined) throw new Error(`${path} was taken away while it was made`);
  return key;
}

/** So that a name is as durable as what stands under it. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
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
