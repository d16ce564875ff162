import pg from 'pg';

/** What the application runs as. A migration makes the role; it owns nothing, and cannot change the audit. */
const APPLICATION_ROLE = 'sallyport_app';

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
 * Lets the login of `application` run as the application's role, when it is another than the owner's.
 * Done by the owner, who may.
 */
export async function admitApplication(
  owner: pg.ClientConfig,
  { user: login = '' }: pg.ClientConfig,
): Promise<void> {
  if (login === '' || login === owner.user) return;
  await asOwner(owner, async (client) => {
    const { rows } = await client.query<{ member: boolean }>(
      `SELECT pg_has_role($1, '${APPLICATION_ROLE}', 'MEMBER') AS member`,
      [login],
    );
    if (rows[0]?.member === true) return;
    await client.query(`GRANT ${APPLICATION_ROLE} TO ${client.escapeIdentifier(login)}`);
  });
}

/** Lets the application's role use what is in BullMQ's schema, which makes a sequence there for each queue. */
export async function admitToSchema(owner: pg.ClientConfig, schema: string): Promise<void> {
  await asOwner(owner, async (client) => {
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

async function asOwner(
  owner: pg.ClientConfig,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionTimeoutMillis: 5_000, ...owner });
  client.on('error', () => {});
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
