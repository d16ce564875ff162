import { readFileSync } from 'node:fs';
import { cp, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { agentToken, createdAgentToken, page } from '@sallyport/contract';
import type { TestProcess } from '@sallyport/testkit/process';
import { findCanaries } from '../fixtures/canaries.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { databaseContents, filesBelow, walPosition, writtenBy } from '../fixtures/places.ts';
import { shownCommand } from '../fixtures/shown-command.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/agent-authentication.md'), 'utf8');

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
let file: string;
let running: TestProcess;
let walFrom: string;
const made: string[] = [];
beforeAll(async () => {
  installation = await Installation.create();
  walFrom = await walPosition(installation.databaseUrl);
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'first', offline: 'deny' });
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  file = join(installation.folder, 'agent-token');
  await installation.logIn(replica);
}, 60_000);
afterAll(() => installation.end());

/** Runs the command of the page that starts so, with ids in the place of its placeholders. */
async function shown(start: string, ids: Record<string, string> = {}): Promise<string> {
  return installation.done([...shownCommand(text, start, ids), '--json']);
}

async function put(token: string): Promise<void> {
  made.push(token);
  await writeFile(`${file}.new`, token, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

test('[A7-02] [SG-23] [AT-09] [AT-11] an agent is let in by its token alone, changes over to the next, and comes back after a revocation', async () => {
  const ids = { 'AGENT-ID': host.agentId };
  await shown('group update');
  expect(await shown('agent list')).toContain(host.agentId);
  const first = createdAgentToken.parse(JSON.parse(await shown('agent-token create', ids)));
  await put(first.token);
  running = await host.run({ SALLYPORT_AGENT_TOKEN_FILE: file });
  await host.untilSecret('s', 'first');

  const rotate = { ...ids, 'TOKEN-ID': first.id };
  const second = createdAgentToken.parse(JSON.parse(await shown('agent-token rotate', rotate)));
  await shown('agent-token revoke', rotate);
  await host.untilHealth(
    ({ controlPlane }) => controlPlane.lastError?.code === 'agent_token.revoked',
  );
  expect(await host.secret('s')).toBe('first');
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'second' });
  await put(second.token);
  await host.untilSecret('s', 'second');
  const listed = page(agentToken).parse(
    JSON.parse(`{"items":${await shown('agent-token list', ids)}}`),
  );
  expect(listed.items.map(({ state }) => state)).toEqual(['revoked', 'active']);
}, 90_000);

test('[F-10] a copy of its state directory is refused by policy, told why, and the host that it is of goes on', async () => {
  await owner.do('PATCH', '/groups/plant-7', { clones: 'refuse' });
  await running.stop();
  const copy = installation.host('copy');
  await cp(host.stateDir, copy.stateDir, { recursive: true });
  await host.run({ SALLYPORT_AGENT_TOKEN_FILE: file });
  await host.untilHealth(({ status }) => status === 'ready');
  await copy.run({ SALLYPORT_AGENT_TOKEN_FILE: file });
  await copy.untilHealth(({ controlPlane }) => controlPlane.lastError?.code === 'agent.cloned');
  expect(await host.secret('s')).toBe('second');
  const { status, controlPlane } = await host.health();
  expect({ status, error: controlPlane.lastError }).toEqual({ status: 'ready', error: null });
  const seen = await installation.done(['agent', 'show', host.agentId, '--json']);
  expect(JSON.parse(seen)).toMatchObject({ clonedAt: expect.any(String) });
}, 90_000);

test('[AX-20] its token is in no log, row or argument, and in no file but its own', async () => {
  const canaries = made.map((token, at) => ({ name: `token ${at}`, bytes: Buffer.from(token) }));
  // The operators' program shows it once, which the first test read.
  const agents = installation.programs.filter(({ name }) => name !== 'cli');
  const places = [
    ...(await databaseContents(installation.databaseUrl, walFrom)),
    ...(await filesBelow(installation.folder)).filter(({ name }) => name !== 'file agent-token'),
    ...writtenBy(agents),
  ];
  expect(findCanaries(canaries, places)).toEqual([]);
  const planted = { name: 'planted', bytes: Buffer.from(made.join('\n')) };
  expect(findCanaries(canaries, [planted])).toHaveLength(2);
}, 60_000);
