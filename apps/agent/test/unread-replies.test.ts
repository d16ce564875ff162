import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ControlPlaneDouble } from './control-plane-double.ts';
import { askSocket, until, type Enrolled } from './harness.ts';
import { LocalApiAlone } from './local-api-alone.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

const LARGE_BYTES = 900 * 1024;
let agent: RunningAgent;
let double: ControlPlaneDouble;
let enrolled: Enrolled;

beforeAll(async () => {
  agent = await runningAgent((filled) => {
    filled.putSecret('small', 'x'.repeat(60 * 1024));
    filled.putPlugin('large', { filler: 'x'.repeat(LARGE_BYTES) });
  });
  ({ double, enrolled } = agent);
});
afterAll(() => agent.end());

const get = (path: string, header = '') => `GET ${path} HTTP/1.1\r\nhost: agent\r\n${header}\r\n`;

/** A program that asks and reads nothing. */
function askAndLeave(text: string, path = enrolled.socket): Socket {
  const socket = connect(path).pause();
  socket.on('error', () => {});
  socket.write(text);
  return socket;
}

/** What comes until the connection ends, also by a reset. */
function readToEnd(socket: Socket): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  const end = () => resolve(Buffer.concat(chunks));
  if (socket.closed) end();
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('close', end);
  socket.resume();
  return promise;
}

describe('[SG-24] a program that does not read its replies', () => {
  test('gets one at a time: a request before the end of a reply ends the connection', async () => {
    const received = await readToEnd(askAndLeave(get('/v1/secrets/small').repeat(1_700)));
    expect(received.byteLength).toBeLessThan(2 * 60 * 1024);
  });

  test('and one that asks again when it has the reply keeps its connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    for (let count = 0; count < 200; count += 1) {
      const path = count % 2 === 0 ? '/v1/config/large' : '/v1/secrets/small';
      const sent = request({ socketPath: enrolled.socket, path, agent }).end();
      const [response]: IncomingMessage[] = await once(sent, 'response');
      if (response === undefined) throw new Error('no response');
      expect(response.statusCode).toBe(200);
      sockets.add(response.socket);
      await buffer(response);
    }
    agent.destroy();
    expect(sockets.size).toBe(1);
  });

  test('is one of few: the agent is busy while such replies fill their share of memory, and hangs up on them', async () => {
    const readers = Array.from({ length: 40 }, () =>
      askAndLeave(get('/v1/config/large', 'connection: close\r\n')),
    );
    const refused = await until(async () => {
      const reply = await agent.daemon.ask('/v1/secrets/small');
      return reply.status === 200 ? undefined : reply;
    });
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'agent.busy' });
    expect((await agent.daemon.health()).status).toBe('ready');
    await until(async () => (await agent.daemon.ask('/v1/secrets/small')).status === 200, 15_000);
    // Nobody has read yet, so there is room only because some were hung up on; others were told that it is busy.
    const received = await Promise.all(readers.map(readToEnd));
    const cutOff = received.filter(
      (reply) => reply.byteLength < LARGE_BYTES && !reply.includes('agent.busy'),
    );
    expect(cutOff.length).toBeGreaterThan(0);
  }, 40_000);
});

test('a watcher that hears nothing for longer than a reply may stay unread keeps its stream', async () => {
  const path = `${enrolled.socket}.2`;
  await using _api = await LocalApiAlone.start(double, enrolled, {
    socket: path,
    // Long enough that a program is told meanwhile that the agent is busy.
    unreadTimeoutMs: 1_000,
  });
  const watcher = connect(path);
  let heard = '';
  let closed = false;
  watcher.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  watcher.on('close', () => (closed = true)).on('error', () => {});
  watcher.write(get('/v1/watch'));
  await until(() => heard.includes('event: revision'));
  // These ask later and wait under the same clock: once one is hung up on, the watcher's time is over too.
  const readers = Array.from({ length: 25 }, () =>
    askAndLeave(get('/v1/config/large', 'connection: close\r\n'), path),
  );
  const status = async () => (await askSocket(path, '/v1/secrets/small')).status;
  await until(async () => (await status()) === 503);
  await until(async () => (await status()) === 200);
  for (const reader of readers) reader.destroy();
  expect(closed).toBe(false);
  double.putSecret('small', 'changed');
  await until(() => heard.includes('event: change'));
  watcher.destroy();
});

test('[SG-24] a program that does not read a reply that took the agent a moment is hung up on, too', async () => {
  const path = `${enrolled.socket}.3`;
  await using _api = await LocalApiAlone.start(double, enrolled, {
    socket: path,
    unreadTimeoutMs: 1_000,
  });
  const status = async () => (await askSocket(path, '/v1/secrets/small')).status;
  const opened: Socket[] = [];
  const asking = async (times: number) => {
    const socket = askAndLeave('', path);
    opened.push(socket);
    for (let count = 0; count < times; count += 1) {
      socket.write(get('/openapi.json'));
      // Whoever is answered asked later.
      await status();
      await status();
    }
    return socket;
  };
  /** Who does not read notices it when it writes; line ends before a request are none. */
  const isHungUpOn = async (socket: Socket) => {
    socket.write('\r\n');
    await status();
    return socket.destroyed;
  };
  // A request before the end of a reply ends the connection: of one less the last waits for its reader.
  let most = 1;
  while (!(await isHungUpOn(await asking(most + 1)))) most += 1;
  const unread = await asking(most);
  const readers = Array.from({ length: 25 }, () =>
    askAndLeave(get('/v1/config/large', 'connection: close\r\n'), path),
  );
  await until(async () => (await status()) === 503);
  await until(async () => (await status()) === 200);
  expect(await isHungUpOn(unread)).toBe(true);
  for (const socket of [...opened, ...readers]) socket.destroy();
});
