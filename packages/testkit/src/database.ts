import { randomBytes } from 'node:crypto';
import pg from 'pg';

export type TestDatabase = { name: string; url: string; drop(): Promise<void> };

/** How the global set-up tells test files where the server is, and which database to copy. */
export const ADMIN_URL_VARIABLE = 'SALLYPORT_TEST_ADMIN_URL';
export const TEMPLATE_VARIABLE = 'SALLYPORT_TEST_TEMPLATE';

/** A fresh copy of the migrated template; drop it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return createDatabase(setUp(ADMIN_URL_VARIABLE), setUp(TEMPLATE_VARIABLE));
}

/** A fresh database without tables. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return createDatabase(setUp(ADMIN_URL_VARIABLE));
}

function setUp(variable: string): string {
  const value = process.env[variable];
  if (value !== undefined) return value;
  throw new Error(
    `${variable} is not set: run the test through its jest project, which has the global set-up`,
  );
}

/** A database with a name of its own: empty, or a copy of a `template` that allows no connections. */
export async function createDatabase(adminUrl: string, template?: string): Promise<TestDatabase> {
  const name = `sallyport_test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, async (client) => {
    if (template === undefined) return client.query(`CREATE DATABASE ${name}`);
    // Copying files takes 14 ms where logging each page takes 60, but syncs everything to disk first.
    const { rows } = await client.query<{ fsync: string }>('SHOW fsync');
    const strategy = rows[0]?.fsync === 'off' ? 'file_copy' : 'wal_log';
    const source = client.escapeIdentifier(template);
    return client.query(`CREATE DATABASE ${name} TEMPLATE ${source} STRATEGY ${strategy}`);
  });
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const drop = async () => {
    await asAdmin(adminUrl, (client) =>
      client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
    );
  };
  return { name, url: url.href, drop };
}

/** Runs statements on a connection of its own. */
export async function asAdmin<T>(
  adminUrl: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
