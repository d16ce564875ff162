import type { Clock } from './clock.ts';

const PAUSE_MS = 10_000;

/** Passes on the first of what comes again and again, and then one in ten seconds, with how many came since the last. */
export function seldom<Event>(
  clock: Clock,
  tell: (event: Event, count: number) => void,
): (event: Event) => void {
  let toldAtMs = -Infinity;
  let count = 0;
  return (event) => {
    count += 1;
    const now = clock.now();
    // A clock that was set back would keep it quiet until the clock has caught up.
    if (now >= toldAtMs && now < toldAtMs + PAUSE_MS) return;
    toldAtMs = now;
    tell(event, count);
    count = 0;
  };
}
