import type { Clock } from './clock.ts';

const PAUSE_MS = 10_000;

/** Passes on the first of what comes again and again, and then one in ten seconds, with how many came since the last. */
export function seldom<Event>(
  clock: Clock,
  tell: (event: Event, count: number) => void,
): (event: Event) => void {
  let quietUntilMs = -Infinity;
  let count = 0;
  return (event) => {
    count += 1;
    if (clock.now() < quietUntilMs) return;
    quietUntilMs = clock.now() + PAUSE_MS;
    tell(event, count);
    count = 0;
  };
}
