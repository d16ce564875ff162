import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { importIdentity } from '../src/state/identity.ts';
import { StateDirectory } from '../src/state/state-directory.ts';
import { exportFrom } from './double/offline.ts';
import { until } from './harness.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const { write, remove } = StateDirectory.prototype;
let agent: RunningAgent;
/** The note of an import is not written before it is resolved. */
let disk: PromiseWithResolvers<void>;
let waiting: PromiseWithResolvers<void>;
/** How often the bundle that was brought has been removed. */
let removals: number;

beforeEach(async () => {
  disk = Promise.withResolvers();
  waiting = Promise.withResolvers();
  removals = 0;
  StateDirectory.prototype.write = async function (name, data) {
    if (name === 'imported.json') {
      waiting.resolve();
      await disk.promise;
    }
    await write.call(this, name, data);
  };
  StateDirectory.prototype.remove = async function (name) {
    await remove.call(this, name);
    if (name === 'incoming.bundle') removals += 1;
  };
  agent = await runningAgent((double) => double.putSecret('db/password', 'first'));
  removals = 0;
  await bring();
  await waiting.promise;
});
afterEach(async () => {
  disk.resolve();
  await agent.end();
  Object.assign(StateDirectory.prototype, { write, remove });
});

async function bring(): Promise<void> {
  const { agentId, name, encryptionKey } = await importIdentity(agent.enrolled.identity);
  const admitted = { agentId, name, encryptionKey: encryptionKey.publicJwk };
  const path = join(agent.enrolled.stateDir, 'incoming.bundle');
  await writeFile(path, await exportFrom(agent.double.group, admitted), { mode: 0o600 });
}

const told = (message: string) =>
  agent.daemon.log.filter((line) => line.message.startsWith(message));

test('[F-11] an import that is under way when the agent is revoked brings nothing back, in memory or on disk', async () => {
  agent.double.revoke(agent.enrolled.identity.agentId);
  await agent.daemon.untilHealth(({ status }) => status === 'revoked');
  disk.resolve();
  // By the import, at its end, and by the wipe.
  await until(() => removals === 2);
  await until(() => told('identity and bundles are removed').length === 1);
  const files = (await readdir(agent.enrolled.stateDir)).filter((name) => name !== 'events');
  expect(files.toSorted()).toEqual(['lock', 'revoked.json']);
  expect(await agent.daemon.health()).toMatchObject({
    status: 'revoked',
    revision: 0,
    entries: 0,
    durable: { revision: null },
  });
  expect(told('bundle imported')).toEqual([]);
});

test('[SG-13] the same import is taken while the agent is not revoked', async () => {
  disk.resolve();
  await until(() => told('bundle imported').length === 1);
  expect(await readdir(agent.enrolled.stateDir)).toEqual(
    expect.arrayContaining(['bundle.json', 'imported.json']),
  );
  expect(await agent.daemon.secret('db/password')).toBe('first');
});
