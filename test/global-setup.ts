import { buildPrograms } from '@sallyport/testkit/built-programs';
import {
  ADMIN_URL_VARIABLE,
  asAdmin,
  createDatabase,
  TEMPLATE_VARIABLE,
} from '@sallyport/testkit/database';
import { startTestPostgres, type TestPostgres } from '@sallyport/testkit/postgres';
import { REDIS_URL_VARIABLE, startTestRedis } from '@sallyport/testkit/redis';
import { migrate } from '../apps/control-plane/src/platform/migrate.ts';
import { onTeardown } from './servers.ts';

/** Starts the servers of the whole run once, and migrates the template that each test file clones. */
export default async function globalSetup(): Promise<void> {
  const [postgres] = await Promise.all([startPostgres(), buildPrograms()]);
  const template = await createDatabase(postgres.adminUrl);
  onTeardown(template.drop);
  await migrate({ connectionString: template.url });
  // Postgres does not copy a database that somebody is connected to.
  await asAdmin(postgres.adminUrl, (client) =>
    client.query(`ALTER DATABASE ${template.name} WITH ALLOW_CONNECTIONS false`),
  );
  process.env[ADMIN_URL_VARIABLE] = postgres.adminUrl;
  process.env[TEMPLATE_VARIABLE] = template.name;

  const redis = await startTestRedis();
  if (redis === undefined) {
    process.stdout.write(
      '\nRedis leg left out: no redis-server on the PATH and REDIS_URL is not set\n',
    );
  } else {
    onTeardown(redis.stop);
    process.env[REDIS_URL_VARIABLE] = redis.url;
  }
}

async function startPostgres(): Promise<TestPostgres> {
  const postgres = await startTestPostgres();
  onTeardown(postgres.stop);
  return postgres;
}
