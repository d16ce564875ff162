import { setTimeout as sleep } from 'node:timers/promises';
import { chainEvents, type ChainHead } from '@sallyport/crypto/audit-chain';
import type pg from 'pg';
import { Bell } from '../platform/bell.ts';
import type { Database } from '../platform/db.ts';
import { Elected, type Office } from '../platform/elected.ts';
import type { Platform } from '../platform/platform.ts';
import {
  findUnlinked,
  insertLinks,
  readOwnHead,
  readUnlinked,
  saveLowWater,
} from './links.store.ts';
import type { UnlinkedNumbers } from './unlinked.ts';

/** The number of the advisory lock. */
const LOCK = 7_205_602;
const CHANNEL = 'sallyport_audit';
const BATCH = 1_000;
/** What is appended within this time is placed together. */
const GATHER_MS = 15;
/** How often events are looked for without being told of any. */
const LOOK_EVERY_MS = 1_000;
const SAVE_EVERY_MS = 10_000;

type Leadership = { client: pg.Client; head: ChainHead; unlinked: UnlinkedNumbers };

/**
 * Gives committed events their places in the chain. Every replica has one, and one of all leads: it writes by the
 * connection that holds the lock, so that a leader whose connection is lost cannot write, and the next begins
 * where the table of links ends. See docs/adr/0013-audit-chain.md.
 */
export class Sequencer {
  readonly #db: Database;
  readonly #elected: Elected;
  #leads = false;

  constructor(connection: pg.ClientConfig, platform: Pick<Platform, 'db' | 'log' | 'clock'>) {
    this.#db = platform.db;
    this.#elected = new Elected(connection, platform, {
      lock: LOCK,
      name: 'continues the audit chain',
      answersInMs: 15_000,
      run: (office) => this.#lead(office),
    });
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    this.#elected.start();
  }

  async stop(): Promise<void> {
    await this.#elected.stop();
  }

  async #lead({ client, signal }: Office): Promise<void> {
    const bell = new Bell();
    client.on('notification', () => bell.ring());
    signal.addEventListener('abort', () => bell.ring());
    await client.query(`LISTEN ${CHANNEL}`);
    const [head, unlinked] = [await readOwnHead(client), await readUnlinked(client)];
    this.#leads = true;
    try {
      await this.#place({ client, head, unlinked }, { bell, signal });
    } finally {
      this.#leads = false;
    }
  }

  async #place(
    lead: Leadership,
    { bell, signal }: { bell: Bell; signal: AbortSignal },
  ): Promise<void> {
    const placer = new Placer(this.#db, lead);
    let savedAt = performance.now();
    let saved = lead.unlinked.lowWater;
    while (!signal.aborted) {
      if ((await placer.placeNext()) === BATCH) continue;
      await placer.settled();
      const { lowWater } = lead.unlinked;
      if (lowWater > saved && performance.now() - savedAt > SAVE_EVERY_MS) {
        await saveLowWater(lead.client, lowWater);
        [saved, savedAt] = [lowWater, performance.now()];
      }
      if ((await bell.wait(LOOK_EVERY_MS)) && !signal.aborted) await sleep(GATHER_MS);
    }
    await placer.settled();
  }
}

/**
 * Places events, batch after batch. The next batch is read, over another connection, and hashed while the last is
 * written. When anything fails, nothing that it knows may be used any more.
 */
class Placer {
  readonly #db: Database;
  readonly #lead: Leadership;
  #written: Promise<void> = Promise.resolve();

  constructor(db: Database, lead: Leadership) {
    this.#db = db;
    this.#lead = lead;
  }

  /** Places what is committed, up to a batch; returns how many events, of which the last may still be on their way. */
  async placeNext(): Promise<number> {
    const { client, unlinked, head } = this.#lead;
    const { events, xmin } = await findUnlinked(this.#db, unlinked.ranges, BATCH);
    const numbers = events.map(({ seq }) => seq);
    const notice = unlinked.found(numbers, xmin, events.length === BATCH);
    if (events.length > 0) {
      const links = chainEvents(
        head,
        events.map(({ event }) => event),
      );
      const { position, hash } = links.at(-1) ?? head;
      this.#lead.head = { position, hash };
      await this.#written;
      this.#written = insertLinks(client, events, links).then((id) => {
        notice.openUntil = id;
      });
      // A failure is thrown where it is awaited next.
      this.#written.catch(() => {});
    }
    return events.length;
  }

  settled(): Promise<void> {
    return this.#written;
  }
}
