import { randomBytes } from 'node:crypto';
import pg from 'pg';

export type TestDatabase = { url: string; drop(): Promise<void> };

/** How the global set-up tells test files where the server is, and which database to copy. */
export const ADMIN_URL_VARIABLE = 'SALLYPORT_TEST_ADMIN_URL';
export const TEMPLATE_VARIABLE = 'SALLYPORT_TEST_TEMPLATE';

/** Postgres refuses to copy a template while another copy of it, or a connection to it, is under way. */
const CLONE_LOCK = 7_205_602;

/** A fresh copy of the migrated template; drop it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { [ADMIN_URL_VARIABLE]: adminUrl, [TEMPLATE_VARIABLE]: template } = process.env;
  if (adminUrl === undefined || template === undefined) {
    throw new Error(
      `${ADMIN_URL_VARIABLE} is not set: run the test through its jest project, which has the global set-up`,
    );
  }
  return createDatabase(adminUrl, template);
}

/** A database with a name of its own: empty, or a copy of `template`. */
export async function createDatabase(adminUrl: string, template?: string): Promise<TestDatabase> {
  const name = `sallyport_test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, async (client) => {
    if (template === undefined) {
      await client.query(`CREATE DATABASE ${name}`);
      return;
    }
    await client.query('SELECT pg_advisory_lock($1)', [CLONE_LOCK]);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${client.escapeIdentifier(template)}`);
  });
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const drop = () =>
    asAdmin(adminUrl, async (client) => {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    });
  return { url: url.href, drop };
}

/** Runs statements on a connection of its own. */
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
