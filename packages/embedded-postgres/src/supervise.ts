import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ownership } from './ownership.ts';
import type { ServerLog } from './server-control.ts';

export type Supervision = {
  /**
   * Ends supervision, once what is being brought back is there or has failed. Gives the ownership that
   * is held then: the server is the caller's to stop, or is nobody's.
   */
  end(): Promise<Ownership | undefined>;
};

export const GONE_AWAY =
  'the embedded Postgres has gone away; bringing it back. See server.log in its folder, and the log of the system: it may have been killed for want of memory.';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Calls `regain` whenever ownership is lost, because the server died or was restarted, until it succeeds. */
export function supervise(
  first: Ownership,
  regain: () => Promise<Ownership>,
  log: ServerLog,
): Supervision {
  const ending = new AbortController();
  const asked = once(ending.signal, 'abort');

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
          'error',
        );
      }
      await pause(pauseMs, undefined, { signal: ending.signal }).catch(() => {});
    }
    return undefined;
  }

  async function watch(): Promise<Ownership | undefined> {
    let ownership: Ownership | undefined = first;
    while (ownership !== undefined) {
      await Promise.race([ownership.lost, asked]);
      if (ending.signal.aborted) return ownership;
      log(GONE_AWAY, 'error');
      ownership = await regainPatiently();
      if (ownership !== undefined) log('the embedded Postgres is back');
    }
    return undefined;
  }

  const watched = watch();
  return {
    end: () => {
      ending.abort();
      return watched;
    },
  };
}
