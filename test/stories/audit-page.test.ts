import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { auditEntry, page } from '@sallyport/contract';
import { askSocket, until } from '../../apps/agent/test/harness.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

const PAGE = join(import.meta.dirname, '../../docs/audit.md');

let installation: Installation;
let owner: Operator;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  const replica = await installation.startReplica('control-plane');
  const ca = join(installation.folder, 'control-plane', 'ca.pem');
  const login = ['login', '--url', replica.url, '--ca-file', ca, '--password-file', '-'];
  // Of which the page asks.
  await installation.cli(login, 'not the password');
  await installation.cli(login, installation.ownerPassword);
  await installation.done(['group', 'create', 'plant-7']);
  await installation.done(['secret', 'set', '--group', 'plant-7', 'db/password'], 'correct horse');
  const lent = ['secret', 'set', '--group', 'plant-7', '--lease', '15m', 'db/root'];
  await installation.done(lent, 'battery staple');
  owner = await installation.signIn(replica);
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  await host.run();
  await host.untilSecret('db/password', 'correct horse');
  const headers = { 'x-request-id': 'shop-1' };
  const body = JSON.stringify({ secret: 'db/root' });
  await askSocket(host.socket, '/v1/secrets/db/password', { headers });
  await askSocket(host.socket, '/v1/leases', { method: 'POST', headers, body });
  await until(async () => (await ofRequest('shop-1')).length === 3, 30_000);
}, 60_000);
afterAll(() => installation.end());

/** What the audit of the control plane tells of one request. */
async function ofRequest(id: string) {
  const { body } = await owner.do('GET', `/audit?requestId=${id}`);
  return page(auditEntry)
    .parse(body)
    .items.map(({ event }) => event);
}

test('[SG-03] a program’s request is found by its id on both sides: by which agent, at which socket, in which version', async () => {
  const actor = { kind: 'agent', id: host.agentId };
  const details = { version: 1, listener: host.socket };
  const event = { actor, outcome: 'done', requestId: 'shop-1', details };
  expect((await ofRequest('shop-1')).toReversed()).toMatchObject([
    { ...event, action: 'lease:grant', details: { ...details, secret: 'db/root' } },
    { ...event, action: 'value:read', subject: 'secret:db/password' },
    { ...event, action: 'lease:read' },
  ]);
  expect(await ofRequest('shop-2')).toEqual([]);
});

/** The commands of the page's shell blocks, in its order. */
async function commands(): Promise<string[]> {
  const page = await readFile(PAGE, 'utf8');
  return [...page.matchAll(/^```sh\n([^`]+)^```/gm)].flatMap(([, block = '']) =>
    block.trimEnd().split('\n'),
  );
}

test('[F-19] the commands of docs/audit.md do what it says, one after the other', async () => {
  const shown = await commands();
  expect(shown.length).toBeGreaterThan(5);
  const said: string[] = [];
  for (const line of shown) {
    const [, args = '', file] = /^bin\/sallyport ([^>]+?)(?: > (\S+))?$/.exec(line) ?? [];
    const { code, stdout, stderr } = await installation.cli(args.split(' '));
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
    if (line.includes('--request shop-1'))
      expect(stdout).toMatch(/ value:read +secret:db\/password /);
    if (file === undefined) said.push(stdout);
    else await writeFile(join(installation.folder, file), `${stdout}\n`);
  }
  expect(said.at(-1)).toMatch(/^Intact {7}positions 1 to \d+\n.*\nCheckpoints {2}agrees, signed$/);
});

test('[F-19] and an export that was tampered with is refused by the last of them', async () => {
  const file = join(installation.folder, 'audit.jsonl');
  const exported = await readFile(file, 'utf8');
  await writeFile(file, exported.replace('plant-7', 'plant-8'));
  const last = (await commands()).at(-1)?.replace('bin/sallyport ', '').split(' ') ?? [];
  const { code, stderr } = await installation.cli(last);
  expect([code, stderr]).toEqual([6, expect.stringMatching(/position \d+ is edited/)]);
});
