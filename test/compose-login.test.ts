import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin, createEmptyDatabase, type TestDatabase } from '@sallyport/testkit/database';

const folder = new URL('../tools/compose/', import.meta.url);
const [read, ...made] = readFileSync(new URL('application-login.sql', folder), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('--'));
const login = `sallyport_server_${randomBytes(4).toString('hex')}`;
const password = 'of-the-application';

let database: TestDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase();
  const module = JSON.stringify(new URL('scram-verifier.mjs', folder).href);
  const script = `import { scramVerifier } from ${module}; console.log(scramVerifier('${password}'))`;
  const args = ['--input-type=module', '--eval', script];
  const verifier = execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
  const statements = made.join('\n').replaceAll('sallyport_server', login);
  await asAdmin(database.url, async (client) =>
    // What psql puts there.
    client.query(statements.replace(":'verifier'", client.escapeLiteral(verifier))),
  );
});
afterAll(async () => {
  try {
    await asAdmin(database.url, (client) => client.query(`DROP ROLE ${login}`));
  } finally {
    await database.drop();
  }
});

async function query(secret: string, statement: string): Promise<unknown[]> {
  const url = new URL(database.url);
  [url.username, url.password] = [login, secret];
  return asAdmin(url.href, async (client) => (await client.query(statement)).rows);
}

describe('[A7-17] the login of the application that the compose file makes', () => {
  test('is let in with its password, of which the database was given a verifier alone, and with no other', async () => {
    expect(read).toBe(String.raw`\set verifier ${'`'}cat /secrets/postgres-login/verifier${'`'}`);
    expect(await query(password, 'SELECT current_user AS me')).toEqual([{ me: login }]);
    await expect(query('of-somebody-else', 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('owns nothing, and may make nothing and nobody', async () => {
    for (const statement of [
      'CREATE TABLE public.mine ()',
      'CREATE SCHEMA mine',
      'CREATE ROLE another',
      'CREATE DATABASE another',
      `SET ROLE ${new URL(database.url).username}`,
      'SET ROLE sallyport_app',
    ])
      await expect(query(password, statement)).rejects.toMatchObject({ code: '42501' });
  });
});
