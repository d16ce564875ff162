import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  agent as shownAgent,
  ban,
  createdEnrollmentToken,
  enrollmentToken,
} from '@sallyport/contract';
import type { TestProcess } from '@sallyport/testkit/process';
import { ValueCache } from '../../apps/agent/src/cache/value-cache.ts';
import { readClientCertificate } from '../../apps/agent/src/state/client-certificate.ts';
import { parseStoredBundle } from '../../apps/agent/src/state/durable-store.ts';
import {
  importIdentity,
  storedIdentity,
  type StoredIdentity,
} from '../../apps/agent/src/state/identity.ts';
import { Replica as Copy } from '../../apps/agent/src/sync/replica.ts';
import { fileChanged } from '../fixtures/file-changed.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { shownCommand } from '../fixtures/shown-command.ts';

const text = await readFile(join(import.meta.dirname, '../../docs/agents.md'), 'utf8');
/** As the page has it. */
const ENROLL = /^bin\/sallyport-agent (enroll .+)$/m.exec(text)?.[1] ?? '';

let installation: Installation;
let other: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
let running: TestProcess;
beforeAll(async () => {
  installation = await Installation.create();
  other = await Installation.create();
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  for (const group of ['plant-7', 'plant-8']) {
    await owner.do('POST', '/groups', { name: group });
    await put(group, 'both', `of ${group}`);
    await put(group, `only-${group}`, 'value');
  }
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  await installation.logIn(replica);
  running = await host.run();
  await host.untilSecret('both', 'of plant-7');
}, 60_000);
afterAll(async () => {
  // Whichever ends first looks for what is left running.
  for (const { programs } of [installation, other])
    await Promise.all(programs.map(({ process }) => process.stop()));
  await other.end();
  await installation.end();
});

const caOf = ({ environment }: Replica) => join(environment['SALLYPORT_DATA_DIR'] ?? '', 'ca.pem');
const put = (group: string, name: string, value: string) =>
  owner.do('PUT', `/groups/${group}/secrets/${name}`, { value, offline: 'allow' });

async function killed(process: TestProcess): Promise<void> {
  process.kill('SIGKILL');
  await process.exited;
}

/** Runs the command of the page that starts so, with ids in the place of its placeholders. */
async function shown(start: string, ids: Record<string, string> = {}): Promise<string> {
  return installation.done([...shownCommand(text, start, ids), '--json']);
}

const stateOf = ({ stateDir }: Host, name: string) => readFile(join(stateDir, name));
async function identityOf(of: Host) {
  return storedIdentity.parse(JSON.parse((await stateOf(of, 'identity.json')).toString()));
}

type Kept = { durable: string; deliveryKey: string };

/** The values of a bundle, as an agent that has this identity opens them. */
async function opened(kept: Kept, identity: StoredIdentity): Promise<string[]> {
  const cache = new ValueCache(identity.group.id);
  await new Copy(await importIdentity(identity), cache).restore(kept);
  return cache.list('secret').map((entry) => cache.open(entry).toString());
}

const bundleOf = async (of: Host): Promise<Kept> =>
  parseStoredBundle(await stateOf(of, 'bundle.json'));

test('[SG-09] an agent that runs is moved: its application reads the new group’s value at the same socket, and what the old group is sent later it cannot open', async () => {
  const staying = await installation.enrolledHost(owner, replica, 'plant-7', 'staying');
  await staying.run();
  await staying.untilSecret('both', 'of plant-7');
  const [before, old] = [await bundleOf(host), await identityOf(host)];
  expect(await opened(before, old)).toContain('of plant-7');

  await shown('agent move', { 'AGENT-ID': host.agentId });
  await host.untilSecret('both', 'of plant-8');
  expect((await host.read('/v1/secrets/only-plant-7')).status).toBe(404);
  expect(await host.secret('only-plant-8')).toBe('value');
  expect((await host.health()).agent.group).toBe('plant-8');
  await untilKept('plant-8');
  const now = await identityOf(host);
  expect(now).toEqual({ ...old, group: { id: expect.any(String), name: 'plant-8' } });
  expect(await opened(await bundleOf(host), now)).not.toContain('of plant-7');

  await put('plant-7', 'both', 'made later');
  await staying.untilSecret('both', 'made later');
  await staying.untilHealth(({ revision, durable }) => durable.revision === revision);
  const later = await bundleOf(staying);
  expect(await opened(later, await identityOf(staying))).toContain('made later');
  // With the key that it had, and with another agent's, which is wrapped for that one alone.
  for (const { deliveryKey } of [before, later])
    await expect(opened({ ...later, deliveryKey }, old)).rejects.toThrow();
}, 90_000);

/** What changes on disk in a move, in this order. */
const CHANGES = [
  ['the bundle is removed', 'bundle.json', 1],
  ['the mark is put back', 'high-water.json', 1],
  ['the identity names the new group', 'identity.json', 1],
  ['the new bundle is kept', 'bundle.json', 2],
  ['its mark is kept', 'high-water.json', 2],
] as const;

describe('[F-07] killed in a move when', () => {
  test.each(CHANGES)(
    '%s, it comes back in the one group or the other, and is at home in the new one at once',
    async (when, file, time) => {
      const { group: from } = await identityOf(host);
      const to = from.name === 'plant-7' ? 'plant-8' : 'plant-7';
      await put(to, 'both', when);
      const ended = killedAt(file, time);
      await owner.do('POST', `/agents/${host.agentId}/move`, { group: to });
      await ended;
      const isPast = CHANGES.findIndex(([name]) => name === when) >= 2;
      expect(isPast ? [to] : [from.name, to]).toContain((await identityOf(host)).group.name);
      running = await host.run();
      await host.untilSecret('both', when);
      await untilKept(to);
      await expect(access(join(host.stateDir, 'quarantine'))).rejects.toThrow('ENOENT');
    },
    60_000,
  );

  test('nothing kills it any more, it moves on', () => move('plant-8'), 60_000);

  /** Kills the agent when a file has come, or gone, for the n-th time. */
  async function killedAt(file: string, time: number): Promise<void> {
    await fileChanged(host.stateDir, file, time);
    await killed(running);
  }
});

async function move(group: string): Promise<void> {
  await owner.do('POST', `/agents/${host.agentId}/move`, { group });
  await untilKept(group);
}

/** Waits until the host's disk is of the group that it is in. */
async function untilKept(group: string): Promise<void> {
  while ((await identityOf(host)).group.name !== group) await host.health();
  await host.untilHealth(({ revision, durable }) => durable.revision === revision);
}

test('[F-02] after a move it starts from its disk with the new group’s values, the control plane being away', async () => {
  await put('plant-8', 'both', 'of plant-8');
  await host.untilSecret('both', 'of plant-8');
  await host.untilHealth(({ revision, durable }) => durable.revision === revision);
  await killed(running);
  await killed(replica.process);
  running = await host.run();
  expect(await host.secret('both')).toBe('of plant-8');
  replica = await installation.restart(replica);
}, 60_000);

test('[SG-23] a client certificate that names the old group is followed by one that names the new one', async () => {
  const certified = { SALLYPORT_AGENT_AUTHENTICATION: 'certificate' };
  await running.stop();
  running = await host.run(certified);
  await host.untilHealth(({ status, authentication }) => {
    return status === 'ready' && authentication.expiresAt !== null;
  });
  const groupNamed = async () => {
    const state = { read: (name: string) => stateOf(host, name) };
    return (await readClientCertificate(state, { agentId: host.agentId }))?.group;
  };
  expect(await groupNamed()).toBe('plant-8');
  await move('plant-7');
  expect(await groupNamed()).toBe('plant-7');
  await move('plant-8');
  await running.stop();
  running = await host.run();
}, 60_000);

test('[F-11] a banned agent is wiped, and neither its keys nor its name get in until the ban is lifted', async () => {
  const made = ban.parse(JSON.parse(await shown('agent ban', { 'AGENT-ID': host.agentId })));
  await running.waitForLine(/identity and bundles are removed/);
  expect((await host.read('/v1/secrets/both')).status).not.toBe(200);
  await running.stop();

  const again = installation.host('again');
  const name = made.agentName;
  expect(await enrolling(again, 'plant-8', name)).toContain('are banned');
  expect(await enrolling(again, 'plant-7', name)).toBe('');
  expect(JSON.parse(await shown('ban list'))).toMatchObject([{ id: made.id, bannedName: name }]);
  await shown('ban lift', { 'BAN-ID': made.id });
  expect(await enrolling(installation.host('third'), 'plant-8', name)).toBe('');

  const tokens = enrollmentToken.array().parse(JSON.parse(await shown('token list')));
  const [{ id: tokenId } = { id: '' }] = tokens;
  await shown('token revoke', { 'TOKEN-ID': tokenId });
  expect(JSON.parse(await shown('token list'))).toContainEqual(
    expect.objectContaining({ id: tokenId, revokedAt: expect.any(String) }),
  );
}, 60_000);

/** Enrols under a name; what went wrong, or nothing. */
async function enrolling(on: Host, group: string, name: string): Promise<string> {
  const { body } = await owner.do('POST', `/groups/${group}/enrollment-tokens`, {});
  const { token } = createdEnrollmentToken.parse(body);
  const from = ['--url', replica.agentUrl, '--ca-file', caOf(replica), '--token-file', '-'];
  const { code, stderr } = await on.agent(['enroll', ...from, '--name', name], token);
  return code === 0 ? '' : stderr;
}

test('[SG-37] an operator lists the agents that are as they should be, and those that are not', async () => {
  const all = shownAgent.array().parse(JSON.parse(await shown('agent list --group plant-7')));
  expect(all.map(({ state }) => state)).toContain('active');
  const stale = await shown('agent list --group plant-7 --state stale');
  expect(JSON.parse(stale)).toEqual([]);
  expect(JSON.parse(await shown('agent list --state lost'))).toEqual([]);
});

describe('[BM-01] another control plane', () => {
  let there: Replica;
  let theirs: Operator;
  beforeAll(async () => {
    there = await other.startReplica('other');
    theirs = await other.signIn(there);
    await theirs.do('POST', '/groups', { name: 'moved-in' });
    const secret = '/groups/moved-in/secrets/both';
    await theirs.do('PUT', secret, { value: 'of the other', offline: 'allow' });
  }, 60_000);

  /** The page's command, with this test's address and files. */
  async function enrollThere(token: string) {
    await writeFile(join(installation.folder, 'new-token'), token, { mode: 0o600 });
    const words = ENROLL.replace('https://other.example:9443', there.agentUrl).split(' ');
    return moving.agent(words.map((word) => (word === 'other-ca.pem' ? caOf(there) : word)));
  }
  let moving: Host;

  test('that refuses it, or is away, leaves the old identity as it was; one that accepts it is served from at the same socket', async () => {
    moving = await installation.enrolledHost(owner, replica, 'plant-7', 'moving');
    await put('plant-7', 'both', 'of the first');
    let process = await moving.run();
    await moving.untilSecret('both', 'of the first');
    await moving.untilHealth(({ revision, durable }) => durable.revision === revision);
    await process.stop();
    const identity = await stateOf(moving, 'identity.json');
    const { body } = await theirs.do('POST', '/groups/moved-in/enrollment-tokens', {});
    const { id, token } = createdEnrollmentToken.parse(body);

    await killed(there.process);
    expect((await enrollThere(token)).code).not.toBe(0);
    there = await other.restart(there);
    theirs = await other.signIn(there);
    await theirs.do('DELETE', `/groups/moved-in/enrollment-tokens/${id}`);
    expect((await enrollThere(token)).stderr).toContain('was revoked');
    expect(await stateOf(moving, 'identity.json')).toEqual(identity);
    await killed(replica.process);
    process = await moving.run();
    expect(await moving.secret('both')).toBe('of the first');
    await process.stop();

    const next = await theirs.do('POST', '/groups/moved-in/enrollment-tokens', {});
    const accepted = await enrollThere(createdEnrollmentToken.parse(next.body).token);
    expect(accepted).toMatchObject({ code: 0 });
    process = await moving.run();
    await moving.untilSecret('both', 'of the other');
    expect((await moving.health()).controlPlane.url).toBe(there.agentUrl);
    await process.stop();
  }, 90_000);
});
