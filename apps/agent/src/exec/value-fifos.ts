import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';
import type { Injection } from './injection.ts';

/** How often a pipe is looked at. To open it and wait would hold one of Node's few threads for as long. */
const LOOK_EVERY_MS = 10;

/** Longer than this no reader is given its value. */
const GIVE_WITHIN_MS = 30_000;

/**
 * Named pipes that a command reads its values from: mode 0600, there from before it starts until it has ended. Whoever
 * opens one gets the value of that moment, whole, and the end of the file, where nobody else opens the same pipe within
 * the same hundredth of a second; the value is on no disk.
 */
export class ValueFifos implements AsyncDisposable {
  readonly #values = new Map<string, Buffer>();
  readonly #serving: Promise<void>[] = [];
  /** By path, the pipe that takes its place next. */
  readonly #spares = new Map<string, string>();
  readonly #giving = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  /** Makes the pipes of those values that go into one, or has them give what is there now. @throws AgentError `file.unusable` */
  async set(injections: readonly Injection[], values: readonly string[]): Promise<void> {
    for (const [index, injection] of injections.entries()) {
      if (!('fifo' in injection)) continue;
      const { fifo } = injection;
      const value = Buffer.from(values[index] ?? '');
      if (!this.#values.has(fifo)) await this.#make(fifo);
      this.#values.get(fifo)?.fill(0);
      this.#values.set(fifo, value);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#serving);
    await Promise.all(this.#giving);
    for (const [path, value] of this.#values) {
      value.fill(0);
      await rm(path, { force: true });
      await rm(this.#spares.get(path) ?? path, { force: true });
    }
  }

  async #make(path: string): Promise<void> {
    try {
      await refuseExisting(path);
      await makeFifo(path);
      await this.#makeSpare(path);
    } catch (error) {
      if (error instanceof AgentError) throw error;
      throw new AgentError('file.unusable', `no named pipe can be made at ${path}`, {
        advice: 'its directory has to be there for this user to write, and mkfifo installed',
        cause: error,
      });
    }
    this.#values.set(path, Buffer.alloc(0));
    this.#serving.push(this.#serve(path));
  }

  async #serve(path: string): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // What goes wrong with one reader is tried again with the next: nobody waits for this.
      await this.#look(path).catch(() => {});
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  /**
   * Gives the value to whoever has the pipe open by now. The next one finds another pipe in its place: in the same it
   * would read the end of this one. That other is there first, so that no reader is let go of without its value.
   */
  async #look(path: string): Promise<void> {
    const next = this.#spares.get(path) ?? (await this.#makeSpare(path));
    await using opened = new AsyncDisposableStack();
    const pipe = opened.use(await openForReader(path));
    if (pipe === undefined || !(await isOwnFifo(pipe))) return;
    await this.#replace(path, next);
    opened.move();
    // Not waited for: a reader that takes its time keeps no other waiting.
    const given = this.#give(pipe, path).finally(() => this.#giving.delete(given));
    this.#giving.add(given);
  }

  /** Somebody who tidies up the folder may have removed the one that is next. */
  async #replace(path: string, next: string): Promise<void> {
    await rename(next, path).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      await rename(await this.#makeSpare(path), path);
    });
    this.#spares.delete(path);
  }

  async #makeSpare(path: string): Promise<string> {
    const spare = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
    await makeFifo(spare);
    this.#spares.set(path, spare);
    return spare;
  }

  /** A pipe takes 64 KiB at a time, and the rest as its reader goes on. A reader that has gone is no fault. */
  async #give(pipe: Pipe, path: string): Promise<void> {
    await using _pipe = pipe;
    const value = Buffer.from(this.#values.get(path) ?? []);
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(GIVE_WITHIN_MS)]);
    await writeAll(pipe, value, signal).catch(() => {});
    value.fill(0);
  }
}

async function writeAll(pipe: Pipe, value: Buffer, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < value.byteLength && !signal.aborted;) {
    const { bytesWritten } = await pipe.write(value, at).catch((error: unknown) => {
      // It is full.
      if (codeOf(error) === 'EAGAIN') return { bytesWritten: 0 };
      throw error;
    });
    at += bytesWritten;
    if (bytesWritten === 0) await sleep(LOOK_EVERY_MS);
  }
}

/** Node has no call for it. It makes nothing where something is. */
async function makeFifo(path: string): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '0600', '--', path]);
}

type Pipe = Awaited<ReturnType<typeof open>>;

/** Undefined while nobody has it open to read. */
async function openForReader(path: string): Promise<Pipe | undefined> {
  try {
    return await open(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENXIO' || codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Somebody may have put a file in its place, where the value would stay, or a pipe of their own. */
async function isOwnFifo(pipe: Pipe): Promise<boolean> {
  const stats = await pipe.stat();
  return stats.isFIFO() && stats.uid === process.getuid?.();
}

async function refuseExisting(path: string): Promise<void> {
  const there = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (there === undefined) return;
  throw new AgentError('file.unusable', `there is something at ${path} already`, {
    advice: 'remove it, or name another path',
  });
}
