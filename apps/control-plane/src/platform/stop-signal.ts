import type { Log } from './log.ts';

const STOP_DEADLINE_MS = 20_000;

/** Aborts at the first signal. Those after it change nothing: for one Ctrl-C below npm, several arrive. */
export function stopSignal(log: Log): AbortSignal {
  const stopping = new AbortController();
  stopping.signal.addEventListener('abort', () => {
    log.info({ reason: String(stopping.signal.reason) }, 'stopping');
    setTimeout(() => {
      log.error({ reason: `${STOP_DEADLINE_MS / 1000} s are over` }, 'not stopped in time; ended');
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
  });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopping.abort(name));
  return stopping.signal;
}
