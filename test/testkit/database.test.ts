import { afterAll, describe, expect, test } from '@jest/globals';
import { asAdmin, createTestDatabase, type TestDatabase } from '@sallyport/testkit/database';

const databases: TestDatabase[] = [];
afterAll(async () => {
  for (const database of databases) await database.drop();
});

async function query(url: string, sql: string): Promise<unknown[]> {
  return asAdmin(url, async (client) => (await client.query<Record<string, unknown>>(sql)).rows);
}

describe('test databases', () => {
  test('can be copied all at once, are migrated, and know nothing of each other', async () => {
    databases.push(...(await Promise.all([1, 2, 3, 4].map(() => createTestDatabase()))));
    for (const [index, { url }] of databases.entries()) {
      await query(url, `CREATE TABLE mine AS SELECT ${index} AS number`);
    }
    for (const [index, { url }] of databases.entries()) {
      expect(await query(url, 'SELECT number FROM mine')).toEqual([{ number: index }]);
      expect(await query(url, 'SELECT count(*)::int AS groups FROM groups')).toEqual([
        { groups: 0 },
      ]);
    }
  });

  test('are gone once dropped, also under an open connection', async () => {
    const database = await createTestDatabase();
    await asAdmin(database.url, async (client) => {
      client.on('error', () => {});
      const cut = new Promise((resolve) => client.once('end', resolve));
      await database.drop();
      await cut;
    });
    await expect(query(database.url, 'SELECT 1')).rejects.toThrow('does not exist');
  });
});
