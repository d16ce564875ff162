import { beforeEach, describe, expect, test } from '@jest/globals';
import { createClock, type TestClock } from '@sallyport/testkit/clock';
import { AgentError } from '../agent-error.ts';
import { Contact } from './contact.ts';

let clock: TestClock;
let contact: Contact;
const unreachable = new AgentError('link.refused', 'nobody listens', { retryable: true });

beforeEach(() => {
  clock = createClock();
  contact = new Contact(clock);
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

  test('a clock that was set back does not make an age negative', () => {
    contact.made();
    clock.advance(-5000);
    expect(contact.ageSeconds()).toBe(0);
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

  test('only a change is news', () => {
    expect(contact.failed(unreachable)).toBe(true);
    expect(contact.failed(unreachable)).toBe(false);
    expect(contact.failed(new AgentError('link.timeout', 'x'))).toBe(true);
    expect(contact.made()).toBe(true);
    expect(contact.made()).toBe(false);
    expect(contact.lastError).toBeUndefined();
  });
});
