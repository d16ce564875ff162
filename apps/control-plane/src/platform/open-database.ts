import { join } from 'node:path';
import { startEmbeddedPostgres } from '@sallyport/embedded-postgres/start';
import type { ServerConfig } from './config.ts';
import type { Log } from './log.ts';

export type OpenDatabase = { url: string; stop(): Promise<void> };

/** The configured database, or the embedded one, which ends with `stop`. */
export async function openDatabase(
  config: ServerConfig,
  dataDir: string,
  log: Log,
): Promise<OpenDatabase> {
  if (config.database.url !== undefined)
    return { url: config.database.url.reveal(), stop: async () => {} };
  return startEmbeddedPostgres({
    directory: join(dataDir, 'postgres'),
    database: 'sallyport',
    log: (reason) => log.info({ reason }, 'embedded Postgres'),
  });
}
