import { z } from 'zod';
import { port, secret } from '../src/fields.ts';
import { ConfigError, type Environment, type LoadedConfig, loadConfig } from '../src/load.ts';

/** A schema with one of everything. */
export const schema = z.strictObject({
  database: z.strictObject({
    url: secret().meta({ env: 'DATABASE_URL', description: 'Where Postgres is' }),
    poolSize: z.int().min(1).default(10).describe('Connections | at most'),
  }),
  operatorApi: z.strictObject({
    host: z.string().default('127.0.0.1'),
    port: port().default(8443),
  }),
  cookieKey: secret().optional(),
  roles: z
    .array(z.enum(['api', 'worker']))
    .min(1)
    .default(['api']),
  verbose: z.boolean().default(false),
  retries: z.union([z.int(), z.literal('forever')]).default(3),
  telemetry: z.strictObject({ url: z.url(), token: secret() }).optional(),
  providers: z.array(z.strictObject({ name: z.string(), clientSecret: secret() })).default([]),
  labels: z.record(z.string(), z.string()).default({}),
});

export type Config = z.output<typeof schema>;

export function load(env: Environment, file?: string): LoadedConfig<Config> {
  return loadConfig(schema, { env, file, programName: 'test' });
}

/** What loading complains of; empty when it succeeds. */
export function problemsOf(env: Environment, file?: string): readonly string[] {
  try {
    load(env, file);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
