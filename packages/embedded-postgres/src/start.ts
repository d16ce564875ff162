import { ensureCluster, superuserUrl } from './cluster.ts';
import { ensureDatabase, OtherOwnerError, takeOwnership } from './ownership.ts';
import type { Ownership } from './ownership.ts';
import { preparePlace, readOrCreatePassword } from './place.ts';
import type { Place } from './place.ts';
import { findPostmaster } from './postmaster.ts';
import { startServer, stopServer } from './server-control.ts';
import type { ServerLog, ServerOptions } from './server-control.ts';
import { supervise } from './supervise.ts';

const MAINTENANCE = 'postgres';

/** A running Postgres server that belongs to this machine alone. */
export type EmbeddedPostgres = {
  /** The superuser's URL of the database that was asked for. It carries the password: never log it. */
  url: string;
  /** True when the server had survived the death of an earlier owner. */
  adopted: boolean;
  /** Ends the server, an adopted one too, and waits for it. May be called twice. */
  stop(): Promise<void>;
};

export type EmbeddedPostgresOptions = {
  /** A folder of the server's own: made when absent, then 0700 and owned by the server's user. */
  directory: string;
  /** Made when absent. */
  database: string;
  log?: ServerLog;
  /** Further arguments of `postgres`, such as `['-c', 'max_connections=200']`. */
  flags?: string[];
  /** False gives durability up for speed: for tests. */
  fsync?: boolean;
};

/**
 * Starts the embedded server, or adopts the one that survived a killed owner, and keeps it running until
 * `stop`. While it runs it has one owner: a second caller is refused. Rejects with EmbeddedPostgresError,
 * whose message tells the operator what is wrong and what to do.
 */
export async function startEmbeddedPostgres(o: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = o.log ?? (() => {});
  const options = { flags: o.flags ?? [], fsync: o.fsync ?? true, log };
  const place = await preparePlace(o.directory);
  const password = await readOrCreatePassword(place);
  await ensureCluster(place, options);

  const { port, adopted, ownership } = await runAndOwn(place, password, options);
  try {
    await ensureDatabase(superuserUrl(port, password, MAINTENANCE), o.database);
  } catch (cause) {
    await stopServer(place, log);
    throw cause;
  }
  log(`embedded Postgres ${adopted ? 'adopted' : 'started'} on 127.0.0.1:${port}`);

  const regain = async () => (await runAndOwn(place, password, options, port)).ownership;
  const supervision = supervise(ownership, regain, log);
  const end = async () => {
    const held = await supervision.end();
    if (held !== undefined) {
      await stopServer(place, log);
      await held.lost;
    } else if ((await findPostmaster(place, log)) !== undefined) {
      log('the embedded Postgres is left running: this process does not own it');
    }
  };
  let ended: Promise<void> | undefined;
  return {
    url: superuserUrl(port, password, o.database),
    adopted,
    stop: () => (ended ??= end()),
  };
}

/**
 * Becomes the owner of the server that runs, or of one that it starts, on `wantedPort` if that is given.
 * Unless that has another owner, what it started ends when it fails.
 */
async function runAndOwn(
  place: Place,
  password: string,
  options: ServerOptions,
  wantedPort?: number,
): Promise<{ port: number; adopted: boolean; ownership: Ownership }> {
  const survivor = await findPostmaster(place, options.log);
  const { port } = survivor ?? (await startServer(place, options, wantedPort));
  try {
    const url = superuserUrl(port, password, MAINTENANCE);
    const ownership = await takeOwnership(url, place.directory);
    return { port, adopted: survivor !== undefined, ownership };
  } catch (cause) {
    // Of two that start at once, the one that is late finds the other's server.
    if (survivor === undefined && !(cause instanceof OtherOwnerError))
      await stopServer(place, options.log);
    throw cause;
  }
}
