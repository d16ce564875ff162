import { randomBytes } from 'node:crypto';
import pg from 'pg';

export type TestDatabase = { url: string; drop(): Promise<void> };

export const ADMIN_URL_VARIABLE = 'SALLYPORT_TEST_ADMIN_URL';
export const TEMPLATE_DATABASE = 'sallyport_template';
/** Copies of one template must not overlap with a connection to it, nor start by the dozen. */
const CLONE_LOCK = 7_205_602;

/** A fresh copy of the migrated template; drop it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = process.env[ADMIN_URL_VARIABLE];
  if (adminUrl === undefined)
    throw new Error(
      `${ADMIN_URL_VARIABLE} is not set: run the test through its jest project, which has the global set-up`,
    );
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [CLONE_LOCK]);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`);
  });
  return {
    url: databaseUrl(adminUrl, name),
    drop: () =>
      asAdmin(
        adminUrl,
        async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
      ),
  };
}

/** The URL of another database of the same server. */
export function databaseUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs statements on a connection of their own to the maintenance database. */
export async function asAdmin(
  adminUrl: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
