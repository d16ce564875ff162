import { beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { AgentError } from '../agent-error.ts';
import { Contact } from './contact.ts';

const HOUR = 3_600_000;

let clock: TestClock;
/** How far the host's clock was set forward (or back) while the agent ran. */
let steppedMs: number;
let contact: Contact;
const unreachable = new AgentError('link.refused', 'nobody listens', { retryable: true });

beforeEach(() => {
  clock = createClock();
  steppedMs = 0;
  contact = new Contact({
    now: () => clock.now() + steppedMs,
    monotonic: () => clock.now(),
  });
});

describe('what the agent knows of its link', () => {
  test('values are current after a word from the control plane', () => {
    expect(contact.made()).toBe(true);
    expect(contact.state).toBe('connected');
    expect(contact.staleSinceMs()).toBeUndefined();
  });

  test('after a failure they are stale since the last word, not since the failure', () => {
    contact.made();
    const lastWord = clock.now();
    clock.advance(10_000);
    contact.failed(unreachable);
    expect(contact.state).toBe('unreachable');
    expect(contact.sinceMs).toBe(lastWord + 10_000);
    expect(contact.staleSinceMs()).toBe(lastWord);
    expect(contact.ageSeconds()).toBe(10);
  });

  test('a link that is silent for longer than a pull may wait makes them stale before anything has failed', () => {
    contact.made();
    const lastWord = clock.now();
    clock.advance(75_000);
    expect(contact.staleSinceMs()).toBeUndefined();
    clock.advance(1);
    expect(contact.staleSinceMs()).toBe(lastWord);
  });

  test('values from disk are as old as the word that they came with', () => {
    contact.restore(clock.now() - 3_600_000);
    expect(contact.staleSinceMs()).toBe(clock.now() - 3_600_000);
    expect(contact.hasBeenMade).toBe(false);
    contact.made();
    expect(contact.staleSinceMs()).toBeUndefined();
    expect(contact.hasBeenMade).toBe(true);
  });

  test.each([
    ['a refusal', new AgentError('agent.unknown', 'x', { status: 401 }), 'refused'],
    [
      'an overloaded control plane',
      new AgentError('server.unavailable', 'x', { status: 503 }),
      'unreachable',
    ],
    ['a bundle that is not accepted', new AgentError('bundle.unsigned', 'x'), 'distrusted'],
    [
      'a delivery key that does not open',
      new AgentError('delivery_key.unreadable', 'x'),
      'distrusted',
    ],
    ['a dead link', unreachable, 'unreachable'],
  ])('%s is told apart', (_, error, state) => {
    contact.failed(error);
    expect(contact.state).toBe(state);
    expect(contact.lastError?.code).toBe(error.code);
  });

  test('the time since when values are stale is the same whenever it is told', () => {
    let ms = 1_000_000;
    const contact = new Contact({ now: () => Math.floor(ms), monotonic: () => ms - 999_000 });
    contact.made();
    contact.failed(unreachable);
    const since = contact.staleSinceMs();
    for (; ms < 1_000_010; ms += 0.3) expect(contact.staleSinceMs()).toBe(since);
  });

  test('values that somebody vouches for are as old as that, unless something later is known', () => {
    const times = [clock.now() - HOUR, clock.now() - 2 * HOUR, clock.now() - 60_000, clock.now()];
    const known = times.map((atMs) => {
      contact.vouched(atMs);
      return contact.lastMs;
    });
    expect(known).toEqual([times[0], times[0], times[2], times[3]]);
  });

  test('how often it was served, and how often not, is counted from the start', () => {
    expect([contact.sinceMs, contact.confirmations, contact.failures]).toEqual([clock.now(), 0, 0]);
    for (const count of [1, 2]) {
      contact.made();
      contact.failed(unreachable);
      expect([contact.confirmations, contact.failures]).toEqual([count, count]);
    }
  });

  test('only a change is news', () => {
    expect(contact.failed(unreachable)).toBe(true);
    expect(contact.failed(unreachable)).toBe(false);
    expect(contact.failed(new AgentError('link.timeout', 'x'))).toBe(true);
    expect(contact.made()).toBe(true);
    expect(contact.made()).toBe(false);
    expect(contact.lastError).toBeUndefined();
  });
});

describe('a host’s clock that is set while the agent runs', () => {
  test('back, makes values neither younger nor their age zero', () => {
    contact.made();
    contact.failed(unreachable);
    steppedMs = -2 * HOUR;
    clock.advance(HOUR);
    expect(contact.ageSeconds()).toBe(3600);
    expect(contact.staleSinceMs()).toBe(clock.now() - 3 * HOUR);
    expect(contact.lastMs).toBe(clock.now() - 3 * HOUR);
  });

  test('forward, while a pull waits, makes nothing stale', () => {
    contact.made();
    clock.advance(30_000);
    steppedMs = 2 * 60_000;
    expect(contact.staleSinceMs()).toBeUndefined();
    expect(contact.ageSeconds()).toBe(30);
    // Until the link has been silent for too long.
    clock.advance(45_001);
    expect(contact.ageSeconds()).toBe(75 + 120);
  });

  test('[F-05] [F-08] forward, out of contact, makes values older, as after a pause that no other clock counts', () => {
    contact.made();
    const lastWord = clock.now();
    steppedMs = 48 * HOUR;
    expect(contact.ageSeconds()).toBe(0);
    contact.failed(unreachable);
    expect(contact.ageSeconds()).toBe(48 * 3600);
    expect(contact.staleSinceMs()).toBe(lastWord);
    expect(contact.lastMs).toBe(lastWord);
  });

  test('forward, after a start that knows of no contact, tells nothing of how old values are', () => {
    steppedMs = 48 * HOUR;
    expect(contact.ageSeconds()).toBe(0);
    expect(contact.staleSinceMs()).toBe(clock.now() + 48 * HOUR);
  });

  test('does not change the age of what an earlier run kept', () => {
    contact.restore(clock.now() - HOUR);
    steppedMs = -3 * HOUR;
    clock.advance(60_000);
    expect(contact.ageSeconds()).toBe(3660);
    expect(contact.lastMs).toBe(clock.now() - HOUR - 60_000 - 3 * HOUR);
  });
});

describe('a last contact that lies in the future', () => {
  beforeEach(() => {
    contact.restore(clock.now() + HOUR);
    clock.advance(90_000);
  });

  test('leaves values as old as the agent’s start at least, never fresh', () => {
    expect(contact.staleSinceMs()).toBe(clock.now() - 90_000);
    expect(contact.ageSeconds()).toBe(90);
  });

  test('is not handed on as a contact of this run', () => {
    expect(contact.lastMs).toBeUndefined();
    contact.made();
    expect(contact.lastMs).toBe(clock.now());
  });
});
