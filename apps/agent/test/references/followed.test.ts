import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { agentConfig } from '../../src/config.ts';
import { responseTo, startDaemon, until } from '../harness.ts';
import { agentCommand } from '../run-agent.ts';
import { runningAgent, type RunningAgent } from '../running-agent.ts';
import { vaultSubject, type Subject } from './subjects.ts';

let home: TempDirectory;
/** Where `a` alone may be read. */
let narrow: string;
let vault: Subject;
let settings: Pick<ReturnType<typeof agentConfig.parse>, 'references'>;
let agent: RunningAgent;
beforeEach(async () => {
  home = await createTempDirectory('followed');
  narrow = join(home.path, 'narrow.sock');
  vault = await vaultSubject();
  for (const name of ['a', 'quiet', 'clock']) await vault.put(name, `${name}1`);
  const { references, localApi } = agentConfig.parse({
    references: { ...vault.settings, cacheSeconds: 1 },
    localApi: { sockets: [{ path: narrow, allow: { secrets: ['a'] } }] },
  });
  settings = { references };
  agent = await runningAgent(fill, { references, localApi });
});
afterEach(async () => {
  await agent.end();
  await vault[Symbol.asyncDispose]();
  await home.remove();
});
afterAll(() => expectNoLeftovers());

function fill(double: RunningAgent['double']): void {
  for (const name of ['a', 'quiet', 'clock']) double.putReference(name, vault.uriOf(name));
}

const askedFor = (name: string) => vault.peer?.askedFor(`/v1/kv/data/apps/${name}`).length ?? 0;
const untilAskedFor = (name: string, times: number) => until(() => askedFor(name) >= times, 20_000);

function run(command: string[]): TestProcess {
  return startProcess({ command: [...agentCommand, ...command] });
}

/** A program that watches at a socket. */
async function watching(socketPath: string, headers: Record<string, string> = {}) {
  const sent = request({ socketPath, path: '/v1/watch', headers, agent: false });
  let heard = '';
  (await responseTo(sent)).setEncoding('utf8').on('data', (text: string) => (heard += text));
  await until(() => /event: revision\n.*\n\n$/.test(heard));
  return { heard: () => heard, end: () => sent.destroy() };
}

test('[SG-04] exec --on-change restart starts the command anew when a value is replaced in Vault, also while the agent was away, and by nothing else', async () => {
  const socket = ['--socket', agent.enrolled.socket];
  const child = run([
    ...['exec', ...socket, '--env', 'A=secret:a', '--on-change', 'restart', '--debounce', '0'],
    ...['--no-mask', '--', 'sh', '-c', 'echo "$A"; exec tail -f /dev/null'],
  ]);
  await child.waitForLine(/^a1$/);
  await untilAskedFor('a', 2);
  vault.peer?.failAll({ status: 500 });
  await until(async () => (await agent.daemon.health()).providers[0]?.failing);
  vault.peer?.failAll(undefined);
  await vault.put('a', 'a2');
  await child.waitForLine(/^a2$/);
  await agent.daemon.stop();
  await vault.put('a', 'a3');
  await using _again = await startDaemon({ ...agent.enrolled, ...settings });
  await child.waitForLine(/^a3$/);
  expect(child.stdout).toEqual(['a1', 'a2', 'a3']);
  await child.stop();
}, 30_000);

test('[SG-04] render --watch writes the file anew when a value is replaced in Vault, and runs its command then alone', async () => {
  const template = join(agent.enrolled.home.path, 'template');
  const output = join(agent.enrolled.home.path, 'output');
  await writeFile(template, '{{ "a" | secret }}');
  const child = run([
    ...['render', '--socket', agent.enrolled.socket, '--watch', '--debounce', '0'],
    ...['--template', template, '--output', output, '--', 'sh', '-c', 'cat "$0"; echo', output],
  ]);
  await child.waitForLine(/^a1$/);
  await untilAskedFor('a', 2);
  await vault.put('a', 'a2');
  await child.waitForLine(/^a2$/);
  expect(await readFile(output, 'utf8')).toBe('a2');
  expect(child.stdout).toEqual(['a1', 'a2']);
  await child.stop();
}, 30_000);

test('[SG-04] [AT-14] Vault is asked again only for what was read and what somebody who watches may read; nobody else is told', async () => {
  const clock = await runningAgent(fill, settings);
  await clock.daemon.ask('/v1/secrets/clock');
  const elsewhere = await watching(clock.enrolled.socket);
  for (const name of ['a', 'quiet']) await agent.daemon.ask(`/v1/secrets/${name}`);
  const tick = () => untilAskedFor('clock', askedFor('clock') + 2);
  await tick();
  expect([askedFor('a'), askedFor('quiet')]).toEqual([1, 1]);

  const watcher = await watching(narrow);
  await untilAskedFor('a', 2);
  await vault.put('a', 'a2');
  await until(() => watcher.heard().includes('event: change'));
  const { revision } = agent.double.group;
  const change = { kind: 'secret', name: 'a', version: 1, removed: false, revision };
  expect(watcher.heard()).toBe(
    `id: ${revision}\nevent: revision\ndata: {"revision":${revision}}\n\n` +
      `event: change\ndata: ${JSON.stringify(change)}\n\n`,
  );
  expect(askedFor('quiet')).toBe(1);
  expect(elsewhere.heard()).not.toContain('event: change');

  watcher.end();
  const before = askedFor('a');
  await tick();
  expect(askedFor('a')).toBe(before);
  elsewhere.end();
  await clock.end();
}, 30_000);

test('[SG-38] of a reference that leads to another value only those are told that may read it', async () => {
  for (const name of ['a', 'quiet']) await agent.daemon.ask(`/v1/secrets/${name}`);
  const [some, all] = [await watching(narrow), await watching(agent.enrolled.socket)];
  await vault.put('quiet', 'quiet2');
  await until(() => all.heard().includes('"name":"quiet"'), 20_000);
  await vault.put('a', 'a2');
  await until(() => some.heard().includes('"name":"a"'), 20_000);
  expect(some.heard()).not.toContain('quiet');
  some.end();
  all.end();
}, 30_000);

test('[SG-11] a watcher that comes back is told of each reference that it may read, since nobody remembers what they led to', async () => {
  const headers = { 'last-event-id': String(agent.double.group.revision) };
  const toldAt = async (socket: string, given = {}) => {
    const watcher = await watching(socket, given);
    watcher.end();
    return [...watcher.heard().matchAll(/"name":"(\w+)"/g)].map(([, name]) => name).toSorted();
  };
  expect(await toldAt(narrow, headers)).toEqual(['a']);
  expect(await toldAt(agent.enrolled.socket, headers)).toEqual(['a', 'clock', 'quiet']);
  expect(await toldAt(agent.enrolled.socket)).toEqual([]);
  expect(vault.peer?.asked).toEqual([]);
});
