import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createdEnrollmentToken, link, systemInfo, type Link } from '@sallyport/contract';
import type { TestProcess } from '@sallyport/testkit/process';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { unusedPort } from '@sallyport/testkit/unused-port';
import { findCanaries, keyCanaries } from '../fixtures/canaries.ts';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';
import type { Operator } from '../fixtures/operator.ts';
import { databaseContents, filesBelow, walPosition, writtenBy } from '../fixtures/places.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/listen.md'), 'utf8');
/** Every command that the page shows, of either program. */
const commands = [...text.matchAll(/^(?:bin\/)?(sallyport(?:-agent)? .+)$/gm)].map(
  ([, line = '']) => line,
);

let installation: Installation;
let replica: Replica;
let owner: Operator;
let host: Host;
let gate: TcpGate;
let settings: Record<string, string>;
let running: TestProcess;
let walFrom: string;
beforeAll(async () => {
  installation = await Installation.create();
  walFrom = await walPosition(installation.databaseUrl);
  replica = await installation.startReplica('control-plane');
  owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'first' });
  await installation.logIn(replica);
  host = installation.host('host');
  const port = await unusedPort();
  gate = await startTcpGate({ port });
  settings = {
    SALLYPORT_AGENT_STATE_DIR: host.stateDir,
    SALLYPORT_AGENT_LISTEN_ADDRESS: `127.0.0.1:${port}`,
    SALLYPORT_AGENT_LISTEN_HOSTS: '127.0.0.1',
  };
}, 60_000);
afterAll(async () => {
  await installation.end();
  await gate.close();
});

/** The words of the command of the page that starts so, with what stands for its placeholders. */
function shown(start: string, given: Record<string, string> = {}): string[] {
  const line = commands.find((command) => command.startsWith(start));
  if (line === undefined) throw new Error(`the page shows no ${start}`);
  return line
    .split(' ')
    .slice(1)
    .map((word) => given[word] ?? word);
}

const cli = (words: string[]) => installation.done([...words, '--json']);

async function untilLink(holds: (shown: Link) => boolean): Promise<Link> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const seen = link.parse(JSON.parse(await cli(shown('sallyport link show'))));
    if (holds(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`the link is ${JSON.stringify(seen)}`);
  }
}

test('[BM-01] [BM-03] [BM-05] [SG-09] an agent to which connections are allowed, and none from it, enrols and is served, as the page says', async () => {
  const made = await owner.do('POST', '/groups/plant-7/enrollment-tokens', {});
  const { token } = createdEnrollmentToken.parse(made.body);
  await writeFile(join(installation.folder, 'token'), token, { mode: 0o600 });
  const { caFingerprint } = systemInfo.parse((await owner.do('GET', '/system/info')).body);
  const enrolling = installation.start(
    'agent',
    shown('sallyport-agent enroll', { 'SHA256:CA': caFingerprint }),
    settings,
  );
  const [fingerprint] = await enrolling.waitForLine(/SHA256:(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/);
  const placeholders = {
    'press-1.example.com:9444': `127.0.0.1:${gate.port}`,
    'SHA256:AGENT': fingerprint,
  };
  await cli(shown('sallyport link add', placeholders));
  expect(await enrolling.exited).toMatchObject({ code: 0 });
  expect(enrolling.output()).not.toContain(token);
  running = await host.run(settings);
  await host.untilSecret('s', 'first');
  expect(running.output()).toContain('signed by itself');
  const seen = await untilLink(({ agentId }) => agentId !== null);
  expect(seen).toMatchObject({ connectedSince: expect.any(String), lastError: null });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'second' });
  await host.untilSecret('s', 'second');
}, 90_000);

test('[BM-01] a connection that is cut while a pull waits is made again, and what changed meanwhile comes over it', async () => {
  gate.cut();
  await host.untilHealth(({ controlPlane }) => controlPlane.state === 'unreachable');
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'third' });
  expect(await host.secret('s')).toBe('second');
  await untilLink(({ lastError }) => lastError !== null);
  gate.restore();
  await host.untilSecret('s', 'third');
}, 90_000);

test('[BM-01] an agent that is killed, and a control plane that is, find each other again', async () => {
  running.kill('SIGKILL');
  await running.exited;
  running = await host.run(settings);
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'fourth' });
  await host.untilSecret('s', 'fourth');
  replica.process.kill('SIGKILL');
  await replica.process.exited;
  await host.untilHealth(({ controlPlane }) => controlPlane.state === 'unreachable');
  replica = await installation.restart(replica);
  owner = await installation.signIn(replica);
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: 'fifth' });
  await host.untilSecret('s', 'fifth');
}, 90_000);

test('[BM-01] without its link the agent is out of reach, and serves what it has', async () => {
  expect(await cli(shown('sallyport link list'))).toContain('press-1');
  await cli(shown('sallyport link remove'));
  await host.untilHealth(({ controlPlane }) => controlPlane.state === 'unreachable');
  expect(await host.secret('s')).toBe('fifth');
  await running.stop();
}, 60_000);

test('[AX-20] [AX-21] the private key of what it shows to who dials it is nowhere but in its state directory', async () => {
  const kept = await readFile(join(host.stateDir, 'listen-identity.json'), 'utf8');
  const canaries = keyCanaries('listen key', String(JSON.parse(kept).key));
  const places = [
    ...(await databaseContents(installation.databaseUrl, walFrom)),
    ...(await filesBelow(installation.folder)),
    ...writtenBy(installation.programs),
  ];
  expect(findCanaries(canaries, places)).toEqual(['listen key in file host/listen-identity.json']);
}, 60_000);
