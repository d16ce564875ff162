import { aborted } from '../aborted.ts';
import { AgentError, sentenceOf } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { Backoff } from '../sync/backoff.ts';
import type { LocalClient } from './local-client.ts';
import { localEvents, type Entry } from './local-events.ts';

/** Values that never stop changing are acted on after this many times `debounceMs`. */
const MOST_WAITS = 10;

/** How changes are followed. */
export type Following = {
  client: LocalClient;
  /** The revision of what is there already. */
  since: number;
  /** The entries whose changes count. */
  entries: () => readonly Entry[];
  /** How long nothing may change before it is acted on, which is put off for ten times as long at most. */
  debounceMs: number;
  /** Up to this long is waited, at random, so that not all hosts act at once. */
  splayMs: number;
  /** Tells whoever runs the command; never a value. */
  tell: (sentence: string) => void;
  signal: AbortSignal;
};

const passing: ReadonlySet<string> = new Set([
  // A disk may have room again, or be writable again.
  'file.unusable',
  'agent.unreachable',
  'agent.not_ready',
  'agent.busy',
  'secret.expired',
  'reference.unreachable',
  'reference.rate_limited',
]);

/**
 * Calls `act`, one call after the other, whenever one of the entries may differ, until `signal` aborts. What
 * keeps it from acting is told; where that may pass by itself, it is tried again.
 */
export async function followChanges(following: Following, act: () => Promise<void>): Promise<void> {
  const news = new News();
  await Promise.all([listen(following, news), actOn(following, news, act)]);
}

/** Keeps a stream of changes open; while the agent is away it asks again, after waits that get longer. */
async function listen(
  { client, since, entries, tell, signal }: Following,
  news: News,
): Promise<void> {
  const backoff = new Backoff(Math.random);
  let last = since;
  let isTold = false;
  while (!signal.aborted) {
    try {
      for await (const told of localEvents(await client.watch(last, signal))) {
        if (told.event === 'revision') last = told.revision;
        if (told.event === 'reset' || (told.event === 'change' && isOneOf(told, entries())))
          news.arrive();
        backoff.reset();
        isTold = false;
      }
    } catch (error) {
      if (signal.aborted) return;
      // A stream that only broke off needs no word: it begins again, unless the agent is away.
      if (isTold || !(error instanceof AgentError)) continue;
      tell(`changes are not followed for now: ${sentenceOf(error)}`);
      isTold = true;
    } finally {
      await systemClock.sleep(backoff.next(), signal);
    }
  }
}

async function actOn(
  { debounceMs, splayMs, tell, signal }: Following,
  news: News,
  act: () => Promise<void>,
): Promise<void> {
  const backoff = new Backoff(Math.random);
  while (await news.come(debounceMs, signal)) {
    await systemClock.sleep(splayMs * Math.random(), signal);
    if (signal.aborted) return;
    try {
      await act();
      backoff.reset();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      tell(`a change could not be followed: ${sentenceOf(error)}`);
      if (!passing.has(error.code)) continue;
      news.arrive();
      await systemClock.sleep(backoff.next(), signal);
    }
  }
}

function isOneOf(
  { kind, name }: { kind: string; name: string },
  entries: readonly Entry[],
): boolean {
  return entries.some((entry) => entry.kind === kind && entry.name === name);
}

/** Something that may have changed since it was last looked at. */
class News {
  #count = 0;
  #arrival = Promise.withResolvers<void>();

  arrive(): void {
    this.#count += 1;
    this.#arrival.resolve();
  }

  /** Waits for news, and then until none came for `quietMs`, or for `MOST_WAITS` times that. False when `signal` aborted. */
  async come(quietMs: number, signal: AbortSignal): Promise<boolean> {
    await Promise.race([this.#arrival.promise, aborted(signal)]);
    const atMost = systemClock.monotonic() + MOST_WAITS * quietMs;
    let seen: number;
    do {
      seen = this.#count;
      await systemClock.sleep(quietMs, signal);
    } while (seen !== this.#count && systemClock.monotonic() < atMost && !signal.aborted);
    this.#arrival = Promise.withResolvers();
    return !signal.aborted;
  }
}
