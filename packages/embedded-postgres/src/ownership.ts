import pg from 'pg';
import { EmbeddedPostgresError } from './failure.ts';

/** The right to stop the server: a session lock in it, which ends with the process that holds it. */
export type Ownership = {
  /** Resolves when the lock's connection has ended, whoever ended it. */
  lost: Promise<void>;
};

/** Another live control plane is the owner. */
export class OtherOwnerError extends EmbeddedPostgresError {}

/** Held in the database `postgres`. */
export const OWNER_LOCK = 7_203_451_180_001;
const LOCK_NOT_AVAILABLE = '55P03';
// A SIGKILLed owner's lock falls when the server notices the closed connection.
const PATIENCE_MS = 2_000;

/** Becomes the owner. @throws OtherOwnerError; EmbeddedPostgresError when the server refuses us */
export async function takeOwnership(url: string, directory: string): Promise<Ownership> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'sallyport-owner',
    keepAlive: true,
  });
  const lost = new Promise<void>((resolve) => client.once('end', resolve));
  // `end` follows; without a listener the error would end the process.
  client.on('error', () => {});
  await client.connect().catch((cause: Error) => {
    throw new EmbeddedPostgresError(
      `The embedded database in ${directory} refuses us: ${cause.message}`,
      { cause },
    );
  });
  try {
    await client.query(`SET lock_timeout = ${PATIENCE_MS}`);
    await client.query('SELECT pg_advisory_lock($1)', [OWNER_LOCK]);
  } catch (cause) {
    await client.end();
    if (!(cause instanceof pg.DatabaseError) || cause.code !== LOCK_NOT_AVAILABLE) throw cause;
    throw new OtherOwnerError(
      `Another control plane is running on this data directory (${directory}); stop it or set DATABASE_URL to share one database.`,
    );
  }
  return { lost };
}

/** Makes the database when it is not there. */
export async function ensureDatabase(url: string, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (found.rowCount === 0)
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}
