import {
  ADMIN_URL_VARIABLE,
  asAdmin,
  databaseUrl,
  TEMPLATE_DATABASE,
} from '@sallyport/testkit/database';
import { startTestPostgres } from '@sallyport/testkit/postgres';
import { REDIS_URL_VARIABLE, startTestRedis } from '@sallyport/testkit/redis';
import { migrate } from '../apps/control-plane/src/platform/migrate.ts';
import { onTeardown } from './servers.ts';

/** Starts the servers of the whole run once, and migrates the template that each test file clones. */
export default async function globalSetup(): Promise<void> {
  const postgres = await startTestPostgres();
  onTeardown(postgres.stop);
  await asAdmin(postgres.adminUrl, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE_DATABASE} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  });
  await migrate(databaseUrl(postgres.adminUrl, TEMPLATE_DATABASE));
  process.env[ADMIN_URL_VARIABLE] = postgres.adminUrl;

  const redis = await startTestRedis();
  if (redis === undefined) {
    process.stdout.write(
      '\nRedis leg left out: no redis-server on the PATH, and REDIS_URL is not set.\n',
    );
  } else {
    onTeardown(redis.stop);
    process.env[REDIS_URL_VARIABLE] = redis.url;
  }
}
