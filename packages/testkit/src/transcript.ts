import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** What a process has written, line by line. */
export type Transcript = {
  lines: readonly string[];
  stdout: readonly string[];
  stderr: readonly string[];
  /** The first line that matches, past or future; rejects after `timeoutMs`, or at the end. */
  find(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray>;
  /** No more lines will come. */
  end(): void;
};

type Search = { pattern: RegExp; found(match: RegExpExecArray): void; fail(why: string): void };

const QUOTED_LINES = 20;

export function transcribe(stdout: Readable, stderr: Readable): Transcript {
  const lines: string[] = [];
  const searches = new Set<Search>();
  let ended = false;

  const record = (stream: Readable): string[] => {
    const own: string[] = [];
    createInterface({ input: stream }).on('line', (line) => {
      own.push(line);
      lines.push(line);
      for (const search of searches) {
        const match = search.pattern.exec(line);
        if (match !== null) search.found(match);
      }
    });
    return own;
  };

  const find = (pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> => {
    for (const line of lines) {
      const match = pattern.exec(line);
      if (match !== null) return Promise.resolve(match);
    }
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        clearTimeout(timer);
        searches.delete(search);
        const last = lines.slice(-QUOTED_LINES).join('\n');
        reject(
          new Error(
            `${why} without a line that matches ${String(pattern)}. Its last lines:\n${last}`,
          ),
        );
      };
      const found = (match: RegExpExecArray) => {
        clearTimeout(timer);
        searches.delete(search);
        resolve(match);
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      const search: Search = { pattern, found, fail };
      searches.add(search);
      if (ended) fail('the process ended');
    });
  };

  return {
    lines,
    stdout: record(stdout),
    stderr: record(stderr),
    find,
    end: () => {
      ended = true;
      for (const search of searches) search.fail('the process ended');
    },
  };
}
