import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { builtProgram } from '@sallyport/testkit/built-programs';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { startProcess } from '@sallyport/testkit/process';
import type { Host } from '../fixtures/host.ts';
import { Installation, type Replica } from '../fixtures/installation.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/monitoring.md'), 'utf8');
const CANARY = 'canary-of-monitoring';

let installation: Installation;
let replica: Replica;
let host: Host;
beforeAll(async () => {
  installation = await Installation.create();
  replica = await installation.startReplica('control-plane');
  const owner = await installation.signIn(replica);
  await owner.do('POST', '/groups', { name: 'plant-7' });
  await owner.do('PUT', '/groups/plant-7/secrets/s', { value: CANARY, offline: 'allow' });
  host = await installation.enrolledHost(owner, replica, 'plant-7', 'host');
}, 60_000);
afterAll(() => installation.end());

/** What the page’s commands that start so print, with this installation’s addresses in place of those it shows. */
function shown(start: string): string[] {
  const commands = page.split('\n').filter((line) => line.startsWith(start));
  return commands.map((command) => {
    const here = command
      .replace(':9464', `:${replica.environment['SALLYPORT_METRICS_PORT']}`)
      .replace('/run/sallyport/agent.sock', host.socket);
    return execFileSync('sh', ['-euc', here], { encoding: 'utf8' });
  });
}

/** What stands in the table under a heading: names, and names with the label that an alarm looks at. */
function metricsOf(heading: string): { names: string[]; series: string[] } {
  const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| `(\w+)` +\| (?:`(\w+="\w+)")?/gm)];
  const series = rows.flatMap(([, name, label]) =>
    label === undefined ? [] : [`${name}{${label}`],
  );
  return { names: rows.map(([, name = '']) => name), series };
}

test('[AT-48] the commands of the page show whether a replica serves, and the metrics that it names', () => {
  const [ready = '', metrics = ''] = shown('curl --silent http://127.0.0.1:9464/');
  expect(JSON.parse(ready)).toEqual({ status: 'ready' });
  const { names, series } = metricsOf('The control plane');
  expect([names.length, series.length]).toEqual([6, 2]);
  for (const name of names) expect(metrics).toContain(`# TYPE ${name} `);
  for (const each of series) expect(metrics).toContain(each);
});

test('[AT-48] and so they do for an agent', async () => {
  const agent = await host.run();
  await host.untilSecret('s', CANARY);
  const [health = '', metrics = ''] = shown('curl --silent --unix-socket');
  expect(JSON.parse(health)).toMatchObject({ entries: 1 });
  const { names, series } = metricsOf('The agents');
  expect([names.length, series.length]).toEqual([4, 1]);
  for (const name of names) expect(metrics).toContain(`# TYPE ${name} `);
  for (const each of series) expect(metrics).toContain(each);
  await agent.stop();
});

/** A syslog server that keeps what it hears. */
async function syslog(): Promise<{ server: Socket; port: number; heard: string[] }> {
  const server = createSocket('udp4');
  const heard: string[] = [];
  server.on('message', (message) => heard.push(message.toString('utf8')));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: server.address().port, heard };
}

const { error } = spawnSync('logger', ['--version']);
const why = error === undefined ? undefined : 'logger is not installed';
const testWithLogger = why === undefined ? test : test.skip;

testWithLogger(
  titleOrLeftOut('[AT-48] a syslog server hears each line of an agent’s log, and no value', why),
  async () => {
    const { server, port, heard } = await syslog();
    const [line = ''] = page.split('\n').filter((each) => each.includes('| logger'));
    const command = line
      .replace('bin/sallyport-agent', `${process.execPath} ${builtProgram('agent')}`)
      .replace('--port 514', `--port ${port}`);
    const env = { SALLYPORT_AGENT_STATE_DIR: host.stateDir, SALLYPORT_AGENT_SOCKET: host.socket };
    const running = startProcess({ command: ['sh', '-c', command], env, ownGroup: true });
    await host.untilSecret('s', CANARY);
    const isHeard = (said: string) => heard.some((message) => message.includes(said));
    try {
      while (!isHeard('"listening"') || !isHeard('"revision applied"'))
        await once(server, 'message');
    } finally {
      running.pressCtrlC();
      await running.exited;
      server.close();
    }
    const told = heard.map((message) =>
      /^<\d+>1 \S+ \S+ sallyport-agent .*?(\{.*\})$/s.exec(message),
    );
    const events = told.map((match) => JSON.parse(match?.[1] ?? '').msg);
    expect(events).toEqual(expect.arrayContaining(['revision applied', 'listening']));
    expect(heard.join('\n')).not.toContain(CANARY);
  },
  60_000,
);
