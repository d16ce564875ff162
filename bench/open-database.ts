import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { superuserUrl } from '@sallyport/embedded-postgres/cluster';
import pg from 'pg';

/** postmaster.pid names the port on its fourth line. */
const PORT_LINE = 3;

/** Connects to the embedded database of a control plane that runs, past its API. */
export async function openDatabase(dataDir: string): Promise<pg.Client> {
  const folder = join(dataDir, 'postgres');
  const password = (await readFile(join(folder, 'password'), 'utf8')).trim();
  const lines = (await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')).split('\n');
  const client = new pg.Client({
    connectionString: superuserUrl(Number(lines[PORT_LINE]), password, 'sallyport'),
  });
  await client.connect();
  return client;
}
