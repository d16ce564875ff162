import { setTimeout as pause } from 'node:timers/promises';
import type { Ownership } from './ownership.ts';

export type Supervision = {
  /** Ends supervision. True when the server was ours to the end, and so is ours to stop. */
  end(): boolean;
  /** Resolves once nothing is being brought back any more. */
  idle: Promise<void>;
};

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Calls `regain` whenever ownership is lost, because the server died or was restarted, until it succeeds. */
export function supervise(
  first: Ownership,
  regain: () => Promise<Ownership>,
  log: (message: string) => void,
): Supervision {
  const ending = new AbortController();
  let held = true;

  async function regainPatiently(): Promise<Ownership | undefined> {
    for (
      let pauseMs = FIRST_PAUSE_MS;
      !ending.signal.aborted;
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    ) {
      try {
        return await regain();
      } catch (cause) {
        log(
          `the embedded Postgres is not back yet: ${Error.isError(cause) ? cause.message : String(cause)}`,
        );
      }
      await pause(pauseMs, undefined, { signal: ending.signal }).catch(() => {});
    }
    return undefined;
  }

  async function watch(): Promise<void> {
    let ownership: Ownership | undefined = first;
    while (ownership !== undefined) {
      held = true;
      await ownership.lost;
      if (ending.signal.aborted) return;
      held = false;
      log('the embedded Postgres has gone away; bringing it back');
      ownership = await regainPatiently();
      if (ownership !== undefined) log('the embedded Postgres is back');
    }
  }

  const idle = watch();
  return {
    end: () => {
      ending.abort();
      return held;
    },
    idle,
  };
}
