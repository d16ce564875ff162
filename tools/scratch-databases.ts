import { createDatabase } from '@sallyport/testkit/database';
import { startTestPostgres } from '@sallyport/testkit/postgres';

/** Lends two empty databases of a server that is gone afterwards. */
export async function withScratchDatabases<T>(
  work: (firstUrl: string, secondUrl: string) => Promise<T>,
): Promise<T> {
  const postgres = await startTestPostgres();
  try {
    const databases = [
      await createDatabase(postgres.adminUrl),
      await createDatabase(postgres.adminUrl),
    ] as const;
    const result = await work(databases[0].url, databases[1].url);
    for (const database of databases) await database.drop();
    return result;
  } finally {
    await postgres.stop();
  }
}
