import { readdir, readFile } from 'node:fs/promises';
import { constants, getPriority } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { self } from '@sallyport/contract';
import { queueLegs } from '@sallyport/testkit/redis';
import type { Host } from '../fixtures/host.ts';
import { Installation, redisDatabase, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';

const REDIS_DATABASE = 8;
const SECRET = '/groups/plant-7/secrets/db-password';
/** The safety net looks every three seconds: five changes in a row are as quick by wake-ups alone. */
const CHANGES = 5;
const AT_ONCE_MS = 1_000;

describe.each(queueLegs())('two control planes on one database, with the queue on $name', (leg) => {
  let installation: Installation;
  let first: Replica;
  let second: Replica;
  let owner: Operator;
  let host: Host;
  beforeAll(async () => {
    const redisUrl =
      leg.redisUrl === undefined ? undefined : redisDatabase(leg.redisUrl, REDIS_DATABASE);
    installation = await Installation.create({ leg: { ...leg, redisUrl } });
    // At the same time, as an orchestrator would: one of them makes the CA, the keys and the owner.
    [first, second] = await Promise.all([
      installation.startReplica('first'),
      installation.startReplica('second'),
    ]);
    owner = await installation.signIn(first);
    await owner.do('POST', '/groups', { name: 'plant-7' });
    host = await installation.enrolledHost(owner, second, 'plant-7', 'host');
    await owner.do('PUT', SECRET, { value: 'first' });
    await host.run();
    await host.untilSecret('db-password', 'first');
  });
  afterAll(() => installation.end());

  test('that start together have one CA and one owner', async () => {
    expect(second.ca).toBe(first.ca);
    const whoAt = async (operator: Operator) =>
      self.parse((await operator.do('GET', '/me')).body).id;
    expect(await whoAt(await installation.signIn(second))).toBe(await whoAt(owner));
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux('the threads that hash give way to the one that answers', async () => {
    const tasks = `/proc/${first.process.pid}/task`;
    const priorities = new Map<string, Set<number>>();
    for (const id of await readdir(tasks)) {
      const name = (await readFile(`${tasks}/${id}/comm`, 'utf8')).trim();
      priorities.set(name, (priorities.get(name) ?? new Set()).add(getPriority(Number(id))));
    }
    const { PRIORITY_NORMAL, PRIORITY_BELOW_NORMAL } = constants.priority;
    expect(priorities.get('node-MainThread')).toEqual(new Set([PRIORITY_NORMAL]));
    expect(priorities.get('libuv-worker')).toEqual(new Set([PRIORITY_BELOW_NORMAL]));
  });

  test('[SG-11] an agent that waits on one learns at once of a change made through the other', async () => {
    for (let change = 1; change <= CHANGES; change += 1) {
      const begun = performance.now();
      await owner.do('PUT', SECRET, { value: `change ${change}` });
      await host.untilSecret('db-password', `change ${change}`);
      expect(performance.now() - begun).toBeLessThan(AT_ONCE_MS);
    }
  });

  test('a task given through one is done by an agent that waits on the other', async () => {
    const { code, stdout } = await diagnose(host.agentId);
    expect({ code, task: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      task: { state: 'completed', attempts: 1, result: { cache: { entries: 1 } } },
    });
  });

  async function diagnose(agentId: string) {
    const login = ['login', '--url', first.url, '--ca-file', `${installation.folder}/first/ca.pem`];
    await installation.cli([...login, '--password-file', '-'], installation.ownerPassword);
    return installation.cli(['agent', 'diagnose', agentId, '--json']);
  }

  test('[F-11] a revocation through one ends the pull that is open on the other, and the agent’s cache is gone', async () => {
    const begun = performance.now();
    await owner.do('POST', `/agents/${host.agentId}/revoke`);
    await host.untilHealth(({ status }) => status === 'revoked');
    expect(performance.now() - begun).toBeLessThan(AT_ONCE_MS);
    const reply = await host.read('/v1/secrets/db-password');
    expect(reply.status).not.toBe(200);
    expect(reply.body).not.toContain('change');
  });

  test('one that is killed takes nothing with it: the other goes on serving', async () => {
    const other = await installation.enrolledHost(owner, second, 'plant-7', 'other-host');
    first.process.kill('SIGKILL');
    await first.process.exited;
    await other.run();
    const through = await installation.signIn(second);
    await through.do('PUT', SECRET, { value: 'through the one that is left' });
    await other.untilSecret('db-password', 'through the one that is left');
  });
});
