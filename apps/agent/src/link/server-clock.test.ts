import { describe, expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { ServerClock } from './server-clock.ts';

const HOUR = 3_600_000;

function after(offsetMs: number) {
  const clock = createClock();
  const server = new ServerClock(clock);
  server.observe(new Date(clock.now() - offsetMs).toUTCString());
  return { clock, server };
}

describe('the control plane’s time', () => {
  test('is the agent’s own until a reply has told it', () => {
    const clock = createClock();
    const server = new ServerClock(clock);
    expect(server.offsetMs()).toBeUndefined();
    expect(server.now()).toBe(clock.now());
  });

  test.each([600_000, -600_000, 23 * HOUR])(
    'is followed when the agent’s clock is %i ms off',
    (offsetMs) => {
      const { clock, server } = after(offsetMs);
      expect(Math.abs((server.offsetMs() ?? 0) - offsetMs)).toBeLessThanOrEqual(1000);
      expect(Math.abs(server.now() - (clock.now() - offsetMs))).toBeLessThanOrEqual(1000);
    },
  );

  test('is not followed for a difference that a Date header cannot tell from none', () => {
    const { clock, server } = after(2000);
    expect(server.now()).toBe(clock.now());
  });

  test('is not followed beyond a day, and the difference is still told', () => {
    const { clock, server } = after(25 * HOUR);
    expect(server.now()).toBe(clock.now());
    expect(server.offsetMs()).toBeGreaterThan(24 * HOUR);
  });

  test.each([undefined, '', 'yesterday'])('does not change by a Date header of %p', (date) => {
    const { server } = after(600_000);
    const before = server.offsetMs();
    server.observe(date);
    expect(server.offsetMs()).toBe(before);
  });
});
