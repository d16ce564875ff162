import { ensureCluster, superuserUrl } from './cluster.ts';
import { ensureDatabase, takeOwnership } from './ownership.ts';
import { preparePlace, readOrCreatePassword } from './place.ts';
import { findPostmaster } from './postmaster.ts';
import { startServer, stopServer } from './server-control.ts';
import { supervise } from './supervise.ts';

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
  log?: (message: string) => void;
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

  const survivor = await findPostmaster(place, log);
  const { port } = survivor ?? (await startServer(place, options));
  const maintenanceUrl = superuserUrl(port, password, 'postgres');
  const ownership = await takeOwnership(maintenanceUrl, place.directory);
  try {
    await ensureDatabase(maintenanceUrl, o.database);
  } catch (cause) {
    await stopServer(place, log);
    throw cause;
  }
  log(`embedded Postgres ${survivor === undefined ? 'started' : 'adopted'} on 127.0.0.1:${port}`);

  const regain = async () => {
    if ((await findPostmaster(place, log)) === undefined) await startServer(place, options, port);
    return takeOwnership(maintenanceUrl, place.directory);
  };
  const supervision = supervise(ownership, regain, log);
  const end = async () => {
    if (supervision.end()) await stopServer(place, log);
    else log('the embedded Postgres is left running: it has another owner by now');
    await supervision.idle;
  };
  let ended: Promise<void> | undefined;
  return {
    url: superuserUrl(port, password, o.database),
    adopted: survivor !== undefined,
    stop: () => (ended ??= end()),
  };
}
