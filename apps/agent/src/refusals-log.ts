import type { Log, LogFields } from './log.ts';

type Refusal = { code: string; message: string };

/** The same refusal is told again after this long. */
const QUIET_MS = 60_000;

/** Tells of each kind of refused connection at most once in a while: anybody may knock. */
export function refusalsTo(
  log: Log,
  message: string,
): (error: Refusal, fields?: LogFields) => void {
  const quietUntil = new Map<string, number>();
  return ({ code, message: detail }, fields) => {
    const nowMs = performance.now();
    if (nowMs < (quietUntil.get(code) ?? 0)) return;
    quietUntil.set(code, nowMs + QUIET_MS);
    log.warn({ code, detail, ...fields }, message);
  };
}
