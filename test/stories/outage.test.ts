import { copyFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TestProcess } from '@sallyport/testkit/process';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

const SECRET = '/groups/plant-7/secrets/db-password';

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
let agent: TestProcess;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
  await owner.do('PUT', SECRET, { value: 'first', offline: 'allow' });
  agent = await host.run();
  await host.untilSecret('db-password', 'first');
});
afterAll(() => installation.end());

async function kill(process: TestProcess): Promise<void> {
  process.kill('SIGKILL');
  await process.exited;
}

const bundleFile = (of: Host) => join(of.stateDir, 'bundle.json');

test('[F-01] with the control plane killed, reads go on, the status says since when they are stale, and the agent catches up by itself', async () => {
  expect(await host.health()).toMatchObject({ status: 'ready', staleSince: null });
  await kill(replica.process);
  const stale = await host.untilHealth(({ status }) => status === 'stale');
  expect(Date.parse(stale.staleSince ?? '')).toBeLessThanOrEqual(Date.now());
  expect(await host.secret('db-password')).toBe('first');
  const told = await host.agent(['status']);
  expect(told.code).toBe(0);
  expect(told.stdout).toContain(`stale since ${stale.staleSince}`);

  replica = await installation.restart(replica);
  await host.untilHealth(({ status, staleSince }) => status === 'ready' && staleSince === null);
  owner = await installation.signIn(replica);
  await owner.do('PUT', SECRET, { value: 'second' });
  await host.untilSecret('db-password', 'second');
  // The same process, and still an agent of the group: nothing was restarted or revoked.
  expect(() => process.kill(agent.pid, 0)).not.toThrow();
  expect((await owner.do('GET', `/agents/${host.agentId}`)).body).toMatchObject({
    state: 'active',
    revokedAt: null,
  });
});

describe('a bundle on disk that the real control plane made', () => {
  let older: Buffer;

  beforeAll(async () => {
    const durableAt = (revision: number) =>
      host.untilHealth(({ durable }) => (durable.revision ?? 0) >= revision);
    const { revision } = await host.health();
    await durableAt(revision);
    older = await readFile(bundleFile(host));
    await owner.do('PUT', SECRET, { value: 'third' });
    await durableAt(revision + 1);
    await kill(agent);
    await kill(replica.process);
  });

  /** Starts the agent on what is on its disk, with nobody to ask. */
  async function expectRefusal(reason: string): Promise<void> {
    const alone = await host.run();
    expect(await host.read('/v1/secrets/db-password')).toMatchObject({ status: 503 });
    expect(await host.health()).toMatchObject({ status: 'starting', entries: 0 });
    await kill(alone);
    const quarantined = await readdir(join(host.stateDir, 'quarantine'));
    expect(quarantined.filter((name) => name.endsWith(`-${reason}.json`))).toHaveLength(1);
  }

  test('[F-02] is served as it is by an agent that starts alone, and says so', async () => {
    const kept = await readFile(bundleFile(host));
    const alone = await host.run();
    expect(await host.secret('db-password')).toBe('third');
    expect(await host.health()).toMatchObject({ status: 'stale', offline: true });
    await kill(alone);
    await writeFile(bundleFile(host), kept);
  });

  test('[F-03] is refused as a whole when it is truncated or has a flipped bit', async () => {
    const kept = await readFile(bundleFile(host));
    await truncate(bundleFile(host), kept.length - 10);
    await expectRefusal('bundle.malformed');

    const flipped = Buffer.from(kept);
    const at = kept.indexOf('"durable":"') + Math.trunc(kept.length / 4);
    flipped[at] = kept[at] === 0x41 ? 0x42 : 0x41;
    await writeFile(bundleFile(host), flipped, { mode: 0o600 });
    await expectRefusal('bundle.unreadable');
  });

  test('[F-04] is refused when it is older than what the agent has had, although it is signed', async () => {
    await writeFile(bundleFile(host), older, { mode: 0o600 });
    await expectRefusal('bundle.older');
  });

  test('[F-03] of another agent of the group is refused; everything refused is fetched again', async () => {
    replica = await installation.restart(replica);
    owner = await installation.signIn(replica);
    const other = await installation.enrolledHost(owner, replica, 'plant-7', 'other-host');
    const second = await other.run();
    await other.untilHealth(({ durable }) => durable.revision !== null);
    await kill(second);
    await kill(replica.process);
    await copyFile(bundleFile(other), bundleFile(host));
    await expectRefusal('delivery_key.unreadable');

    replica = await installation.restart(replica);
    agent = await host.run();
    await host.untilSecret('db-password', 'third');
    await host.untilHealth(({ durable }) => durable.revision !== null && durable.error === null);
  });
});

test.each([
  ['to a full disk', 'exec "$0" "$@" 2>/dev/full'],
  [
    'into a full pipe that nobody reads',
    'f=$(mktemp -u); mkfifo "$f"; exec 2<>"$f"; rm "$f"; head -c 65536 /dev/zero >&2; exec "$0" "$@"',
  ],
])('a control plane whose log goes %s serves as ever', async (where, script) => {
  await replica.process.stop();
  const within = ['sh', '-c', script];
  const unheard = installation.start('control-plane', [], replica.environment, { within });
  await unheard.waitForLine(/Sallyport is running\./);
  owner = await installation.signIn(replica);
  await owner.do('PUT', SECRET, { value: where });
  await host.untilSecret('db-password', where);
  expect(await unheard.stop()).toEqual({ code: 0, signal: null });
});
