/** A clock that stands still until it is told otherwise. */
export type TestClock = {
  /** Milliseconds since the epoch. */
  now(): number;
  set(epochMs: number): void;
  advance(ms: number): void;
};

export function createClock(startMs: number = Date.UTC(2030, 0, 1)): TestClock {
  let current = startMs;
  return {
    now: () => current,
    set: (epochMs) => {
      current = epochMs;
    },
    advance: (ms) => {
      current += ms;
    },
  };
}
