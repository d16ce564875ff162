import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '@sallyport/testkit/until';
import { findCanaries } from '../fixtures/canaries.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { databaseContents, filesBelow, walPosition, writtenBy } from '../fixtures/places.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/leases.md'), 'utf8');
/** What was meant to print it. */
const PRINTED = /^stdout of agent lease take/;
const VALUE = 'battery staple canary-7c';
/** The words of the page's commands that set a secret: lent out once, and within hours. */
const [once = [], withinHours = []] = [
  ...page.matchAll(/\| bin\/sallyport (secret set .*)$/gm),
].map(([, command = '']) =>
  (command.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll("'", '')),
);

let installation: Installation;
let replica: Replica;
let host: Host;
let walFrom: string;
beforeAll(async () => {
  installation = await Installation.create();
  walFrom = await walPosition(installation.databaseUrl);
  replica = await installation.startReplica('control-plane');
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'demo' });
  host = await installation.enrolledHost(owner, replica, 'demo', 'host');
  await installation.logIn(replica);
  await host.run();
}, 60_000);
afterAll(() => installation.end());

test('[SG-27] [SG-06] a secret is lent out as docs/leases.md says: taken, seen, read once and ended', async () => {
  const set = await installation.done(once, VALUE);
  const show = await installation.done(['secret', 'show', '--group', 'demo', 'db/root']);
  expect(show).toContain('A lease lasts 15m, 4h with renewals, and is read once');
  expect(set).toContain(show);
  expect(await installation.done(withinHours, VALUE)).toContain(
    'from 06:00 to 20:00 (Europe/Berlin)',
  );
  expect(await host.agent(['get', 'db/root'])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('if it is lent out, take it with: sallyport-agent lease take'),
  });

  // With a use more.
  await installation.done(
    once.map((word) => (word === '1' ? '2' : word)),
    VALUE,
  );
  const taken = await host.agent(['lease', 'take', 'db/root']);
  expect(taken).toMatchObject({ code: 0, stdout: VALUE });
  const id = /lease ([0-9a-f-]{36})/.exec(taken.stderr)?.[1] ?? '';
  const listed = await installation.done(['lease', 'list', '--group', 'demo', '--state', 'active']);
  expect(listed).toContain(id);
  expect(listed).toContain(host.socket);

  const revoked = await installation.done(['lease', 'revoke', '--group', 'demo', id]);
  expect(revoked).toContain('is revoked');
  await until(async () => {
    const { code, stderr } = await host.agent(['lease', 'read', id]);
    return code === 3 && stderr.includes('ended before its time');
  });
});

test('[F-24] the value is in no file, log, argument or row, nor in what goes to the database', async () => {
  const canaries = [{ name: 'lent', bytes: Buffer.from(VALUE) }];
  const places = [
    ...(await databaseContents(installation.databaseUrl, walFrom)),
    ...(await filesBelow(installation.folder)),
    ...writtenBy(installation.programs).filter(({ name }) => !PRINTED.test(name)),
  ];
  expect(findCanaries(canaries, places)).toEqual([]);
  expect(findCanaries(canaries, [{ name: 'planted', bytes: Buffer.from(VALUE) }])).toHaveLength(1);
}, 60_000);
