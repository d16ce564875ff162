import pg from 'pg';
import { asApplication } from './application-role.ts';
import { Bell } from './bell.ts';
import { endConnection } from './end-connection.ts';
import type { Platform } from './platform.ts';
import { seldom } from './seldom.ts';

/** How often the others try to become the one, and the one shows that it still is. */
const LOOK_EVERY_MS = 1_000;
/** One that hangs, or whose host is gone, is given up by the database in this time. */
const SILENT_MS = 5_000;
const LET_GO = `-c idle_session_timeout=${SILENT_MS} -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3`;

/** `client` holds the lock: what is written by it is written by the one, or not at all. */
export type Office = { client: pg.Client; signal: AbortSignal };

export type ElectedWork = {
  /** Of the advisory lock; no two kinds of work have the same. */
  lock: number;
  /** For the log: `dials the links`. */
  name: string;
  /** A database that has not answered a statement of the office's connection in this time is given up. */
  answersInMs: number;
  /** Runs until `signal` aborts, and leaves nothing running then. */
  run: (office: Office) => Promise<void>;
};

/**
 * Does some work on one replica of all: the one whose connection to the database holds an advisory lock. When that
 * connection is lost the work is ended here, and begun by another.
 */
export class Elected {
  readonly #connection: pg.ClientConfig;
  readonly #work: ElectedWork;
  readonly #log: Platform['log'];
  readonly #report: (error: unknown) => void;
  readonly #bell = new Bell();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(
    connection: pg.ClientConfig,
    { log, clock }: Pick<Platform, 'log' | 'clock'>,
    work: ElectedWork,
  ) {
    this.#connection = connection;
    this.#work = work;
    this.#log = log;
    this.#report = seldom(clock, (err: unknown, count) =>
      log.warn({ err, count }, `nobody here ${work.name}; trying again`),
    );
  }

  start(): void {
    this.#running ??= this.#stand();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#bell.ring();
    await this.#running;
  }

  async #stand(): Promise<void> {
    while (!this.#stopped) {
      const client = this.#newClient();
      try {
        await client.connect();
        await this.#serve(client);
      } catch (error) {
        this.#report(error);
      }
      await endConnection(client).catch(() => {});
      if (!this.#stopped) await this.#bell.wait(LOOK_EVERY_MS);
    }
  }

  #newClient(): pg.Client {
    const client = new pg.Client({
      connectionTimeoutMillis: SILENT_MS,
      query_timeout: this.#work.answersInMs,
      keepAlive: true,
      ...asApplication(this.#connection, LET_GO),
    });
    // The statement that follows fails, and says so.
    client.on('error', () => this.#bell.ring());
    return client;
  }

  async #serve(client: pg.Client): Promise<void> {
    while (!(await this.#wins(client))) {
      await this.#bell.wait(LOOK_EVERY_MS);
      if (this.#stopped) return;
    }
    this.#log.info(`this replica ${this.#work.name}`);
    const ending = new AbortController();
    let ended = false;
    const working = this.#work.run({ client, signal: ending.signal }).finally(() => {
      ended = true;
      this.#bell.ring();
    });
    // Met below, when there is nothing to wait for any more.
    working.catch(() => {});
    try {
      while (!this.#stopped && !ended) {
        await this.#bell.wait(LOOK_EVERY_MS);
        // Shows that the lock is still held, and keeps the database from giving this one up.
        await client.query('SELECT');
      }
    } finally {
      ending.abort();
      await working;
    }
  }

  async #wins(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query<{ wins: boolean }>(
      'SELECT pg_try_advisory_lock($1) AS wins',
      [this.#work.lock],
    );
    return rows[0]?.wins === true;
  }
}
