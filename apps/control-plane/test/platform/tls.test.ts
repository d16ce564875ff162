import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@sallyport/testkit/database';
import { queueLegs } from '@sallyport/testkit/redis';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { defaultTlsPolicy, type TlsPolicy } from '@sallyport/tls/policy';
import { makeAuthority, type Authority } from '@sallyport/tls/test/authority';
import { connectionTo } from '../../src/platform/database-connection.ts';
import { createLog } from '../../src/platform/log.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { openQueueBackend } from '../../src/platform/queue-backend.ts';
import { startControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';
import { startTlsFront, type TlsFront } from './tls-front.ts';

const newest: TlsPolicy = { ...defaultTlsPolicy, minVersion: 'TLS1.3' };
const older: TlsPolicy = { ...defaultTlsPolicy, maxVersion: 'TLS1.2' };

let temp: TempDirectory;
let authority: Authority;
let database: TestDatabase;
let open: AsyncDisposable[];
beforeEach(async () => {
  temp = await createTempDirectory();
  authority = await makeAuthority();
  database = await createTestDatabase();
  open = [];
});
afterEach(async () => {
  for (const front of open) await front[Symbol.asyncDispose]();
  await database.drop();
  await temp.remove();
});

async function frontOf(
  url: URL,
  speaks: 'postgres' | 'redis',
  maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3',
): Promise<TlsFront> {
  const tls = { ...(await authority.issue()), maxVersion };
  const front = await startTlsFront({
    tls,
    target: { hostname: url.hostname, port: url.port },
    speaks,
  });
  open.push(front);
  url.port = String(front.port);
  return front;
}

async function securedPostgres(maxVersion?: 'TLSv1.2'): Promise<{ front: TlsFront; url: string }> {
  const url = new URL(database.url);
  const front = await frontOf(url, 'postgres', maxVersion);
  const ca = join(temp.path, 'ca.pem');
  await writeFile(ca, authority.ca);
  url.search = new URLSearchParams({ sslmode: 'verify-full', sslrootcert: ca }).toString();
  return { front, url: url.href };
}

test('[AX-04] every connection to Postgres keeps to database.tls: migrations, pools, queue, elections', async () => {
  const { front, url } = await securedPostgres();
  await migrate(connectionTo(url, older));
  const controlPlane = await startControlPlane({
    databaseUrl: url,
    settings: { database: { url: undefined, ownerUrl: undefined, tls: older } },
  });
  try {
    await OperatorClient.signedIn(controlPlane.operatorApp);
  } finally {
    await controlPlane.end();
  }
  expect(front.versions.length).toBeGreaterThan(5);
  expect(new Set(front.versions)).toEqual(new Set(['TLSv1.2']));
});

test('[AX-03] Postgres below the oldest version that is set is refused, with the key to change', async () => {
  const { front, url } = await securedPostgres('TLSv1.2');
  await expect(migrate(connectionTo(url, newest))).rejects.toThrow(
    /^the database cannot be reached \(\w+\); compare database\.tls with /,
  );
  expect(front.versions).toEqual([]);
  await migrate(connectionTo(url, defaultTlsPolicy));
  expect(front.versions).toEqual(['TLSv1.2']);
});

test('a URL that asks for no TLS gets none, and one that trusts nobody is not trusted with a policy', async () => {
  expect(connectionTo(database.url, newest).ssl).toBe(false);
  const { url } = await securedPostgres();
  const untrusted = new URL(url);
  untrusted.searchParams.delete('sslrootcert');
  await expect(migrate(connectionTo(untrusted.href, newest))).rejects.toThrow(
    /^the database cannot be reached \(SELF_SIGNED_CERT_IN_CHAIN\); see .*DATABASE_URL.*sslrootcert/,
  );
});

const redisUrl = queueLegs().find(({ name }) => name === 'redis')?.redisUrl;
const withRedis = redisUrl === undefined ? test.skip : test;

withRedis(
  '[AX-03] Redis keeps to redis.tls, and is refused below it with the key to change',
  async () => {
    const trusted = getCACertificates('default');
    setDefaultCACertificates([...trusted, authority.ca]);
    try {
      const url = new URL(redisUrl ?? '');
      const front = await frontOf(url, 'redis', 'TLSv1.2');
      url.protocol = 'rediss:';
      const log = createLog('silent', { write: () => {} });
      const under = (tls: TlsPolicy) =>
        openQueueBackend(
          { database: { connectionString: database.url }, redis: { url: url.href, tls } },
          log,
        );
      await expect(under(newest)).rejects.toThrow(
        /^Redis cannot be reached \(\w+\); compare redis\.tls with /,
      );
      expect(front.versions).toEqual([]);
      setDefaultCACertificates(trusted);
      await expect(under(defaultTlsPolicy)).rejects.toThrow(/REDIS_URL: .*NODE_EXTRA_CA_CERTS$/);
      setDefaultCACertificates([...trusted, authority.ca]);
      const backend = await under(defaultTlsPolicy);
      await backend.close();
      expect(new Set(front.versions)).toEqual(new Set(['TLSv1.2']));
    } finally {
      setDefaultCACertificates(trusted);
    }
  },
);
