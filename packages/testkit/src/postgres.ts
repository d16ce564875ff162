export type TestPostgres = {
  /** A superuser's URL of the maintenance database. */
  adminUrl: string;
  source: 'supplied' | 'container' | 'embedded';
  stop(): Promise<void>;
};

export async function startTestPostgres(): Promise<TestPostgres> {
  throw new Error('not built yet');
}
