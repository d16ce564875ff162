import type { Circus } from '@jest/types';
import { TestEnvironment } from 'jest-environment-node';
import { brokenPromises } from './native-modules/promised-assertions.ts';

/** How long closing sockets and exiting children get after a file's last hook. */
const GRACE_MS = 2_000;

/** What a test file must close itself; files and DNS requests end on their own. */
const COUNTED =
  /^(TCP|Pipe|TLS|UDP)|^(ProcessWrap|FSEvent|StatWatcher|Timeout|MessagePort|Worker|Http2Session)/;

// Node opens these on first use; they are the worker's, not the file's.
void process.stdout;
void process.stderr;
void process.stdin;

type Count = Map<string, number>;

function openResources(): Count {
  const count: Count = new Map();
  for (const kind of process.getActiveResourcesInfo()) {
    if (COUNTED.test(kind)) count.set(kind, (count.get(kind) ?? 0) + 1);
  }
  return count;
}

function leakedSince(before: Count): string[] {
  return [...openResources()]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${count - (before.get(kind) ?? 0)} ${kind}`);
}

/** Node's environment, in which a test file that leaves a handle open fails and says which kind. */
export default class NoLeaksEnvironment extends TestEnvironment {
  readonly #before = openResources();

  async handleTestEvent(event: Circus.Event, state: Circus.State): Promise<void> {
    if (event.name === 'test_done') event.test.errors.push(...brokenPromises());
    if (event.name !== 'run_finish') return;
    const deadline = performance.now() + GRACE_MS;
    // An unreferenced timer, so that the wait itself is not among the open handles.
    while (leakedSince(this.#before).length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20).unref());
    }
    const leaked = leakedSince(this.#before);
    // Recorded beside the file's own failures: throwing here would hide them.
    if (leaked.length > 0) {
      const error = new Error();
      error.stack = `left open by this test file: ${leaked.join(', ')}`;
      state.unhandledErrors.push(error);
    }
  }
}
