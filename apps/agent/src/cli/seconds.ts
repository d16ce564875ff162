import { AgentError } from '../agent-error.ts';

const MAX_SECONDS = 86_400;

/** Whole milliseconds of an option given in seconds, such as `0.5`. @throws AgentError `usage.invalid` */
export function millisecondsOf(option: string, text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= MAX_SECONDS) return Math.round(seconds * 1000);
  throw new AgentError('usage.invalid', `${option} is not a number of seconds`, {
    advice: `give from 0 to ${MAX_SECONDS}`,
  });
}
