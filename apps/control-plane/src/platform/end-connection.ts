import type pg from 'pg';

/**
 * Ends a connection. One on which the database has fallen silent is given up once its `query_timeout` is over: the
 * answer to a goodbye would be waited for without end.
 */
export async function endConnection(client: pg.Client): Promise<void> {
  // While a question is open `end` drops the connection.
  await client.query('SELECT').catch(() => {});
  await client.end();
}
