import pg from 'pg';
import { DATABASE, notReached, OWNED_DATABASE } from './not-reached.ts';

/** What the application runs as. A migration makes the role; it owns nothing, and cannot change the audit. */
const APPLICATION_ROLE = 'sallyport_app';
const NO_ROLE = `the role ${APPLICATION_ROLE} is not on this server of Postgres, as after a restore without it; make it and restore again, see docs/backup.md`;

/** For the `options` of a connection. */
export const AS_APPLICATION = `-c role=${APPLICATION_ROLE}`;

/** The same connection in that role, with more settings of the session; nothing that its URL sets undoes them. */
export function asApplication(
  { options = '', ...connection }: pg.ClientConfig,
  settings = '',
): pg.ClientConfig {
  return { ...connection, options: `${options} ${AS_APPLICATION} ${settings}`.trim() };
}

/**
 * Lets the login of `application` run as the application's role, when it is another than the owner's, and sees that it
 * can connect. Done by the owner, who may.
 *
 * @throws Error in words for operators: the role is not there, or the login is refused
 */
export async function admitApplication(
  owner: pg.ClientConfig,
  application: pg.ClientConfig,
): Promise<void> {
  const { user: login = '' } = application;
  if (login === '' || login === owner.user) return;
  await connected(owner, OWNED_DATABASE, async (client) => {
    const { rows } = await client.query<{ member: boolean | null }>(
      `SELECT pg_has_role($1, to_regrole('${APPLICATION_ROLE}'), 'MEMBER') AS member`,
      [login],
    );
    const member = rows[0]?.member;
    if (member === null) throw new Error(NO_ROLE);
    if (member === true) return;
    await client.query(`GRANT ${APPLICATION_ROLE} TO ${client.escapeIdentifier(login)}`);
  });
  await connected(application, DATABASE, async () => {});
}

/** Lets the application's role use what is in BullMQ's schema, which makes a sequence there for each queue. */
export async function admitToSchema(owner: pg.ClientConfig, schema: string): Promise<void> {
  await connected(owner, OWNED_DATABASE, async (client) => {
    const name = client.escapeIdentifier(schema);
    // Replicas that start together would change the same rows of the catalog.
    await client.query(`BEGIN;
      SELECT pg_advisory_xact_lock(hashtext('sallyport schema privileges'));
      GRANT USAGE, CREATE ON SCHEMA ${name} TO ${APPLICATION_ROLE};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${APPLICATION_ROLE};
      GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${name} TO ${APPLICATION_ROLE};
      COMMIT`);
  });
}

async function connected(
  connection: pg.ClientConfig,
  server: typeof DATABASE,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionTimeoutMillis: 5_000, ...connection });
  client.on('error', () => {});
  await client.connect().catch((cause: unknown) => {
    throw notReached(cause, server);
  });
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
