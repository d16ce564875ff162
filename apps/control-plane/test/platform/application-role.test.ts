import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadConfig } from '@sallyport/config/load';
import { asAdmin, createEmptyDatabase, type TestDatabase } from '@sallyport/testkit/database';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { admitApplication } from '../../src/platform/application-role.ts';
import { serverConfig } from '../../src/platform/config.ts';
import { connectionTo } from '../../src/platform/database-connection.ts';
import { Database } from '../../src/platform/db.ts';
import { migrate } from '../../src/platform/migrate.ts';
import { onDatabase } from '../../src/platform/on-database.ts';
import { allPlaced, sql } from '../audit/chain.ts';
import { startControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

let database: TestDatabase;
let owner: string;
/** A name that has to be quoted in SQL, and in a URL too. */
let login: string;
const at = (url: string) => connectionTo(url, defaultTlsPolicy);
let ownerUrl: string;
let loginUrl: string;
beforeEach(async () => {
  database = await createEmptyDatabase();
  const suffix = randomBytes(4).toString('hex');
  [owner, login] = [`owner_${suffix}`, `App "of" ${suffix}`];
  [ownerUrl, loginUrl] = [urlOf(owner), urlOf(login)];
  await asAdmin(database.url, async (client) => {
    await client.query(`CREATE ROLE ${owner} LOGIN PASSWORD 'secret'`);
    await client.query(`CREATE ROLE ${client.escapeIdentifier(login)} LOGIN PASSWORD 'secret'`);
    await client.query(`ALTER DATABASE ${database.name} OWNER TO ${owner}`);
    // Another database of the server has made the role, so its own right to make roles would not do.
    await client.query(`GRANT sallyport_app TO ${owner} WITH ADMIN OPTION`);
  });
  await migrate({ connectionString: ownerUrl });
});
afterEach(async () => {
  const admin = new URL(database.url);
  admin.pathname = '/postgres';
  await database.drop();
  await asAdmin(admin.href, async (client) => {
    await client.query(
      `REVOKE sallyport_app FROM ${client.escapeIdentifier(login)} GRANTED BY ${owner} CASCADE`,
    );
    for (const role of [login, owner])
      await client.query(`DROP ROLE ${client.escapeIdentifier(role)}`);
  });
});

function urlOf(user: string): string {
  const url = new URL(database.url);
  [url.username, url.password] = [encodeURIComponent(user), 'secret'];
  return url.href;
}

const denied = { code: '42501' };

describe('[A7-17] an application with a login of its own', () => {
  test('runs a control plane, once the owner has admitted it', async () => {
    await expect(startControlPlane({ databaseUrl: loginUrl, ownerUrl })).rejects.toThrow();
    const wrong = loginUrl.replace(':secret@', ':another@');
    await expect(admitApplication(at(ownerUrl), at(wrong))).rejects.toThrow(
      'the database cannot be reached (28P01); check the user and the password in DATABASE_URL',
    );
    const elsewhere = loginUrl.replace(/[^/]+$/, 'nowhere');
    await expect(admitApplication(at(ownerUrl), at(elsewhere))).rejects.toThrow(
      '(3D000); make the database that DATABASE_URL names',
    );
    const setLogin = async (word: 'LOGIN' | 'NOLOGIN') =>
      asAdmin(database.url, (client) =>
        client.query(`ALTER ROLE ${client.escapeIdentifier(login)} ${word}`),
      );
    await setLogin('NOLOGIN');
    await expect(admitApplication(at(ownerUrl), at(loginUrl))).rejects.toThrow(
      '(28000); see that the user of DATABASE_URL is there and has LOGIN',
    );
    await setLogin('LOGIN');
    await expect(migrate(at(loginUrl))).rejects.toThrow('name it in DATABASE_OWNER_URL');
    await admitApplication(at(ownerUrl), at(loginUrl));
    const controlPlane = await startControlPlane({ databaseUrl: loginUrl, ownerUrl });
    try {
      const client = await OperatorClient.signedIn(controlPlane.operatorApp);
      await client.call('POST', '/groups', { name: 'plant-7' });
      await client.call('PUT', '/groups/plant-7/secrets/db', { value: 'value' });
      const revealed = await client.call('POST', '/groups/plant-7/secrets/db/reveal', {});
      expect(revealed.body).toMatchObject({ value: 'value' });
      await allPlaced(database.url);
      expect((await client.call('POST', '/audit/checkpoints')).status).toBe(201);
      expect((await client.call('GET', '/audit/verify')).body).toMatchObject({ intact: true });
      const logins = await sql(
        database.url,
        `SELECT DISTINCT usename AS login FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
      );
      expect(logins).toEqual([{ login }]);
    } finally {
      await controlPlane.end();
    }
  });

  test('keeps to its role whatever its URL sets, which holds beside it', async () => {
    const url = new URL(database.url);
    url.searchParams.set('options', '-c role=none -c work_mem=7MB');
    const db = new Database(at(url.href));
    const text = "SELECT current_user AS role, current_setting('work_mem') AS memory";
    try {
      const shown = await db.direct({ text }, []);
      expect(shown).toEqual([{ role: 'sallyport_app', memory: '7MB' }]);
    } finally {
      await db.close();
    }
  });

  test.each([
    ['change the audit', `UPDATE audit_events SET action = ''`],
    ['switch its triggers off', 'ALTER TABLE audit_events DISABLE TRIGGER ALL'],
    ['become its owner', () => `SET ROLE ${owner}`],
    ['admit others', () => `GRANT sallyport_app TO ${owner}`],
    ['make tables', 'CREATE TABLE public.mine ()'],
  ])('cannot %s, in whatever role it is', async (_, statement) => {
    await admitApplication(at(ownerUrl), at(loginUrl));
    const text = typeof statement === 'string' ? statement : statement();
    await asAdmin(loginUrl, async (client) => {
      await expect(client.query(text)).rejects.toMatchObject(denied);
      await client.query('SET ROLE sallyport_app');
      await expect(client.query(text)).rejects.toMatchObject(denied);
    });
  });

  test('is admitted by the commands too, which come before the first start after a restore', async () => {
    const folder = await createTempDirectory();
    try {
      const { config } = loadConfig(serverConfig, {
        file: undefined,
        programName: 'sallyport-server',
        env: {
          SALLYPORT_DATA_DIR: folder.path,
          SALLYPORT_ROOT_KEY: randomBytes(32).toString('base64'),
          DATABASE_URL: loginUrl,
          DATABASE_OWNER_URL: ownerUrl,
        },
      });
      let role: unknown;
      await onDatabase(
        config,
        () => {},
        async ({ db }) => {
          role = await db.direct({ text: 'SELECT current_user AS role' }, []);
        },
      );
      expect(role).toEqual([{ role: 'sallyport_app' }]);
    } finally {
      await folder.remove();
    }
  });

  test('is admitted once, however many replicas start at once, and again without a word', async () => {
    const replicas = Array.from({ length: 8 }, () => admitApplication(at(ownerUrl), at(loginUrl)));
    await Promise.all(replicas);
    await admitApplication(at(ownerUrl), at(loginUrl));
    const [member] = await sql<{ admin: boolean }>(
      database.url,
      `SELECT admin_option AS admin FROM pg_auth_members
        WHERE roleid = 'sallyport_app'::regrole AND member = (SELECT oid FROM pg_roles WHERE rolname = $1)`,
      [login],
    );
    expect(member).toEqual({ admin: false });
  });

  test('that does not exist is refused in the database’s words', async () => {
    await admitApplication(at(ownerUrl), at(loginUrl));
    await expect(admitApplication(at(ownerUrl), at(urlOf('nobody')))).rejects.toThrow(
      'role "nobody" does not exist',
    );
  });
});
