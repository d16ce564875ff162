import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin } from '@sallyport/testkit/database';
import type { Host } from '../fixtures/host.ts';
import { Installation } from '../fixtures/installation.ts';

let installation: Installation;
let host: Host;
/** A login of the database that has rights to nothing. */
const LOGIN = 'sallyport_story_shop';
const PASSWORD = `p'a"s$ ${'ß'.repeat(3)}`;

beforeAll(async () => {
  installation = await Installation.create();
  await asAdmin(installation.databaseUrl, (client) =>
    client.query(`CREATE ROLE ${LOGIN} LOGIN PASSWORD ${client.escapeLiteral(PASSWORD)}`),
  );
  const replica = await installation.startReplica('control-plane');
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'demo' });
  await owner.do('PUT', '/groups/demo/secrets/db', { value: PASSWORD });
  host = await installation.enrolledHost(owner, replica, 'demo', 'host');
  await host.run();
  await host.untilSecret('db', PASSWORD);
}, 60_000);
afterAll(async () => {
  await asAdmin(installation.databaseUrl, (client) => client.query(`DROP ROLE ${LOGIN}`));
  await installation.end();
});

test('[SG-26] a program logs in to a database with what it gets, as it gets it', async () => {
  const url = new URL(installation.databaseUrl);
  url.username = LOGIN;
  url.password = '';
  const script = `
    const { Client } = require(process.argv[2]);
    const client = new Client(process.argv[1]);
    client.connect().then(() => client.query('SELECT current_user AS name'))
      .then(({ rows }) => console.log(rows[0].name))
      .finally(() => client.end());`;
  const login = [
    process.execPath,
    '--eval',
    script,
    url.href,
    fileURLToPath(import.meta.resolve('pg')),
  ];
  const given = await host.agent(['exec', '--env', 'PGPASSWORD=secret:db', '--', ...login]);
  expect(given).toEqual({ code: 0, stdout: LOGIN, stderr: '' });
  const wrong = await host.agent(['exec', '--', 'env', 'PGPASSWORD=wrong', ...login]);
  expect(wrong.code).not.toBe(0);
});
