import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readUntil } from '../../tools/demo/application.ts';
import { findCanaries } from '../fixtures/canaries.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import { databaseContents, filesBelow, walPosition, writtenBy } from '../fixtures/places.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/plugins.md'), 'utf8');
/** The files that the page shows, each after its name. */
const files = [...page.matchAll(/`(\w+\.json)`:\n\n```json\n([\s\S]*?)^```/gm)];
/** Every command that the page shows. */
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
  block.trimEnd().split('\n'),
);
/** The values of encrypted fields that the page shows. */
const VALUES = ['correct horse battery', 'orders-token-1', 'orders-token-2'];

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
  for (const [, name = '', content = ''] of files)
    await writeFile(join(installation.folder, name), content, { mode: 0o600 });
  await host.run();
}, 60_000);
afterAll(() => installation.end());

test('[A7-07] the commands of docs/plugins.md do what the page says, and the agent hands out what was written', async () => {
  const outputs = new Map<string, string>();
  for (const line of commands) {
    const [program = '', ...args] = line.split(' ');
    const command = args.slice(0, 2).join(' ');
    if (command === 'plugin-type check') {
      const { code, stdout } = await installation.cli(args);
      expect(code).toBe(7);
      outputs.set(command, stdout);
    } else if (program !== 'curl') outputs.set(command, await installation.done(args));
    else {
      const path = new URL(args.at(-1) ?? '').pathname;
      const isPatched = (reply: { body: string }) => reply.body.includes('orders-token-2');
      outputs.set('curl', (await readUntil(host.socket, path, isPatched, 30_000)).body);
    }
  }
  expect(outputs.get('plugin-type set')?.trim()).toBe('gateway is at version 1.');
  expect(outputs.get('plugin-type list')).toMatch(/^gateway +1 +2 +An API gateway$/m);
  expect(outputs.get('plugin set')).toContain('type: gateway 1, offline: deny');
  const shown: unknown = JSON.parse(outputs.get('plugin show') ?? '');
  const kept = { $encrypted: true };
  expect(shown).toEqual({
    listen: 8443,
    auth: { user: 'edge', password: kept },
    tokenUrl: 'https://idp.example.com/token',
    upstreams: { orders: { url: 'https://orders.example.com', token: kept } },
  });
  expect(JSON.parse(outputs.get('curl') ?? '')).toMatchObject({
    listen: 9443,
    auth: { user: 'edge', password: 'correct horse battery' },
    upstreams: { orders: { url: 'https://orders.example.com', token: 'orders-token-2' } },
  });
  expect(outputs.get('plugin-type check')).toMatch(/^demo +edge +\/listen +fails maximum$/m);
  expect(outputs.get('plugin-type check')).toMatch(/^demo +edge +\/auth +stands in clear/m);
});

test('[F-24] values of encrypted fields are in no file, log, argument or row, nor in what goes to the database', async () => {
  const canaries = VALUES.map((value) => ({ name: value, bytes: Buffer.from(value) }));
  const meant = new Set(['file edge.json', 'file change.json']);
  const places = [
    ...(await databaseContents(installation.databaseUrl, walFrom)),
    ...(await filesBelow(installation.folder)).filter(({ name }) => !meant.has(name)),
    ...writtenBy(installation.programs),
  ];
  expect(findCanaries(canaries, places)).toEqual([]);
  const planted = { name: 'planted', bytes: Buffer.from(VALUES.join('\n')) };
  expect(findCanaries(canaries, [planted])).toHaveLength(VALUES.length);
}, 60_000);
