import pg from 'pg';
import { z } from 'zod';
import { asApplication } from './application-role.ts';
import type { Db } from './db.ts';
import { endConnection } from './end-connection.ts';
import type { Platform } from './platform.ts';
import { Prisma } from './prisma-client/client.ts';
import { seldom } from './seldom.ts';

/** What the replicas tell each other. A lost one costs time, never correctness: the safety net re-reads. */
export const wakeup = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('group'), groupId: z.uuid() }),
  z.strictObject({ kind: z.literal('revoked'), agentId: z.uuid() }),
  z.strictObject({ kind: z.literal('moved'), agentId: z.uuid(), groupId: z.uuid() }),
  z.strictObject({ kind: z.literal('tokenRevoked'), agentId: z.uuid(), tokenId: z.uuid() }),
  z.strictObject({ kind: z.literal('authorities') }),
  z.strictObject({ kind: z.literal('task'), agentId: z.uuid() }),
  z.strictObject({ kind: z.literal('leases'), agentId: z.uuid() }),
  z.strictObject({ kind: z.literal('links') }),
]);
export type Wakeup = z.infer<typeof wakeup>;

const CHANNEL = 'sallyport_wakeups';
const RECONNECT_MS = 500;
/** A connection that carries nothing any more is found out by asking, and given up when no answer comes in this time. */
const ASK_EVERY_MS = 3_000;

/**
 * Publishes within the caller's transaction: Postgres delivers it when, and only when, that commits.
 * So a change and its wake-up cannot come apart, whichever queue back end is in use.
 */
export async function publishWakeup(tx: Db, message: Wakeup): Promise<void> {
  await tx.$queryRaw`SELECT ${wakeupNotification(message)}`;
}

/** The same as an expression, for a statement that has more to do. */
export function wakeupNotification(message: Wakeup): Prisma.Sql {
  return Prisma.sql`pg_notify(${CHANNEL}, ${JSON.stringify(message)})::text`;
}

/** One LISTEN connection per replica, kept up until `close`. */
export class WakeupListener {
  readonly #connection: pg.ClientConfig;
  readonly #log: Platform['log'];
  readonly #tellOfFailure: (error: unknown) => void;
  readonly #onWakeup: (message: Wakeup) => void;
  readonly #onConnected: () => void;
  readonly #askEveryMs: number;
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #asking: NodeJS.Timeout | undefined;
  #closed = false;
  #connected = false;

  constructor(
    connection: pg.ClientConfig,
    { log, clock }: Pick<Platform, 'log' | 'clock'>,
    on: { wakeup: (message: Wakeup) => void; connected: () => void },
    askEveryMs = ASK_EVERY_MS,
  ) {
    this.#connection = connection;
    this.#log = log;
    this.#tellOfFailure = seldom(clock, (err: unknown, count) =>
      log.warn({ err, count }, 'cannot listen for wake-ups; trying again'),
    );
    this.#onWakeup = on.wakeup;
    this.#onConnected = on.connected;
    this.#askEveryMs = askEveryMs;
  }

  /** Whether every wake-up since `connected` was last called has been heard. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Connects; a connection that is lost later is made again by itself. */
  async start(): Promise<void> {
    const client = new pg.Client({
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      // Shorter than the interval: one question at a time.
      query_timeout: 0.8 * this.#askEveryMs,
      ...asApplication(this.#connection),
    });
    this.#client = client;
    client.on('notification', ({ payload }) => this.#receive(payload));
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      // Closed meanwhile, and this client with it.
      if (this.#client !== client) return;
      this.#connected = true;
      this.#asking = setInterval(() => void this.#ask(client), this.#askEveryMs);
      this.#onConnected();
    } catch (error) {
      this.#tellOfFailure(error);
      this.#lost(client);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#asking);
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await endConnection(client);
  }

  async #ask(client: pg.Client): Promise<void> {
    await client.query('SELECT 1').catch((error: unknown) => {
      if (this.#client !== client) return;
      this.#log.warn({ err: error }, 'the connection for wake-ups is silent; making another');
      this.#lost(client);
    });
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return;
    clearInterval(this.#asking);
    this.#client = undefined;
    this.#connected = false;
    client.end().catch(() => {});
    if (!this.#closed) this.#timer = setTimeout(() => void this.start(), RECONNECT_MS);
  }

  #receive(payload: string | undefined): void {
    const parsed = wakeup.safeParse(jsonOf(payload));
    if (parsed.success) this.#onWakeup(parsed.data);
    else this.#log.warn('a notification that is no wake-up was passed over');
  }
}

/** Whoever may connect to the database may notify; what is no JSON must not end this process. */
function jsonOf(payload: string | undefined): unknown {
  try {
    return JSON.parse(payload ?? '');
  } catch {
    return undefined;
  }
}
