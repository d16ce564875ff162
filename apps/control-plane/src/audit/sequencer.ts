import { chainEvents, type ChainHead } from '@sallyport/crypto/audit-chain';
import pg from 'pg';
import { AS_APPLICATION } from '../platform/application-role.ts';
import { Bell } from '../platform/bell.ts';
import type { Database } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import { seldom } from '../platform/seldom.ts';
import {
  findUnlinked,
  insertLinks,
  readOwnHead,
  readUnlinked,
  saveLowWater,
  tryLead,
} from './links.store.ts';
import type { UnlinkedNumbers } from './unlinked.ts';

const CHANNEL = 'sallyport_audit';
const BATCH = 1_000;
/** What is appended within this time is placed together. */
const GATHER_MS = 15;
/** Without being told of anything: how often the leader looks, and the others try to become it. */
const LOOK_EVERY_MS = 1_000;
const SAVE_EVERY_MS = 10_000;
/** A leader that hangs, or whose host is gone, is given up by the database in this time. */
const SILENT_LEADER_MS = 5_000;

type Leadership = { client: pg.Client; head: ChainHead; unlinked: UnlinkedNumbers };

/**
 * Gives committed events their places in the chain. Every replica has one, and one of all leads: it holds an
 * advisory lock on the connection that it writes by, so that a leader whose connection is lost cannot write,
 * and the next begins where the table of links ends. See docs/adr/0013-audit-chain.md.
 */
export class Sequencer {
  readonly #url: string;
  readonly #db: Database;
  readonly #log: Platform['log'];
  readonly #report: (error: unknown) => void;
  readonly #bell = new Bell();
  #running: Promise<void> | undefined;
  #stopped = false;
  #leads = false;

  constructor(url: string, { db, log, clock }: Pick<Platform, 'db' | 'log' | 'clock'>) {
    this.#url = url;
    this.#db = db;
    this.#log = log;
    this.#report = seldom(clock, (err: unknown, count) =>
      log.warn({ err, count }, 'the audit chain cannot be continued; trying again'),
    );
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const client = this.#newClient();
      try {
        await client.connect();
        await this.#serve(client);
      } catch (error) {
        this.#report(error);
      }
      this.#leads = false;
      await client.end().catch(() => {});
      if (!this.#stopped) await this.#bell.wait(LOOK_EVERY_MS);
    }
  }

  #newClient(): pg.Client {
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: 5_000,
      query_timeout: 15_000,
      keepAlive: true,
      options: [
        AS_APPLICATION,
        `-c idle_session_timeout=${SILENT_LEADER_MS}`,
        '-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3',
      ].join(' '),
    });
    client.on('notification', () => this.#bell.ring());
    // The statement that follows fails, and says so.
    client.on('error', () => this.#bell.ring());
    return client;
  }

  async #serve(client: pg.Client): Promise<void> {
    while (!(await tryLead(client))) {
      await this.#bell.wait(LOOK_EVERY_MS);
      if (this.#stopped) return;
    }
    await client.query(`LISTEN ${CHANNEL}`);
    const [head, unlinked] = [await readOwnHead(client), await readUnlinked(client)];
    this.#leads = true;
    this.#log.info('this replica continues the audit chain');
    await this.#place({ client, head, unlinked });
  }

  async #place(lead: Leadership): Promise<void> {
    const placer = new Placer(this.#db, lead);
    let savedAt = performance.now();
    let saved = lead.unlinked.lowWater;
    while (!this.#stopped) {
      if ((await placer.placeNext()) === BATCH) continue;
      await placer.settled();
      const { lowWater } = lead.unlinked;
      if (lowWater > saved && performance.now() - savedAt > SAVE_EVERY_MS) {
        await saveLowWater(lead.client, lowWater);
        [saved, savedAt] = [lowWater, performance.now()];
      }
      if (await this.#bell.wait(LOOK_EVERY_MS)) await this.#gather();
      // Shows that the lock is still held, and keeps the database from giving this leader up.
      else await lead.client.query('SELECT');
    }
    await placer.settled();
  }

  async #gather(): Promise<void> {
    if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  }
}

/**
 * Places events, batch after batch. The next batch is read, over another connection, and hashed while the last is
 * written. Whatever fails, nothing of what it knows may be used any more.
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
      // Heard by whoever waits for it next.
      this.#written.catch(() => {});
    }
    return events.length;
  }

  settled(): Promise<void> {
    return this.#written;
  }
}
