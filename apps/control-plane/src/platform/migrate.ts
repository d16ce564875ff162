export type MigrateOptions = { log?: (message: string) => void; prismaDirectory?: string };

/** Applies the migrations that are missing; returns their names. */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<string[]> {
  throw new Error(`not built yet: ${databaseUrl.length} ${String(options.prismaDirectory)}`);
}
