export type TestDatabase = { url: string; drop(): Promise<void> };

/** A fresh copy of the migrated template; drop it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  throw new Error('not built yet');
}
