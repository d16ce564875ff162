import { framesOf, internalError } from './agent-error.ts';
import type { Log } from './log.ts';

/** Tells of a defect of the agent's own: where it was met, and nothing that it could quote. */
export function logDefect(log: Log, error: unknown): void {
  const fault = internalError(error);
  log.error({ code: fault.code, stack: framesOf(fault) }, fault.message);
}
