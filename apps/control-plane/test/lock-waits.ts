import { asAdmin } from '@sallyport/testkit/database';

/** Resolves when `count` statements of this database wait for a lock. */
export async function lockWaits(databaseUrl: string, count = 1): Promise<void> {
  await asAdmin(databaseUrl, async (client) => {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    while (((await client.query(waiting)).rowCount ?? 0) < count) {
      // The others are still on their way to the row.
    }
  });
}

/** Holds the rows that `statement` locks while `work` runs. */
export async function whileHeld(
  databaseUrl: string,
  statement: string,
  work: () => Promise<void>,
): Promise<void> {
  await asAdmin(databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query(statement);
    try {
      await work();
    } finally {
      await client.query('COMMIT');
    }
  });
}
