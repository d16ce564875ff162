import { join } from 'node:path';
import { startEmbeddedPostgres } from '@sallyport/embedded-postgres/start';
import type pg from 'pg';
import type { ServerConfig } from './config.ts';
import { connectionTo } from './database-connection.ts';
import type { Log } from './log.ts';

export type OpenDatabase = {
  connection: pg.ClientConfig;
  /** As the login that owns the database, for migrations alone. */
  ownerConnection: pg.ClientConfig;
  stop(): Promise<void>;
};

/** The configured database, or the embedded one, which ends with `stop`. */
export async function openDatabase(
  config: ServerConfig,
  dataDir: string,
  log: Log,
): Promise<OpenDatabase> {
  const { url, ownerUrl = url, tls } = config.database;
  if (url !== undefined && ownerUrl !== undefined)
    return {
      connection: connectionTo(url.reveal(), tls),
      ownerConnection: connectionTo(ownerUrl.reveal(), tls),
      stop: async () => {},
    };
  const embedded = await startEmbeddedPostgres({
    directory: join(dataDir, 'postgres'),
    database: 'sallyport',
    log: (reason, level = 'info') => log[level]({ reason }, 'embedded Postgres'),
  });
  const connection = connectionTo(embedded.url, tls);
  return { connection, ownerConnection: connection, stop: () => embedded.stop() };
}
