import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askSocket, responseTo, until } from './harness.ts';
import { LocalApiAlone } from './local-api-alone.ts';
import { runningAgent, type RunningAgent } from './running-agent.ts';

let agent: RunningAgent;
beforeAll(async () => {
  agent = await runningAgent((double) => double.putSecret('first', 'x'));
});
afterAll(() => agent.end());

/** The events that a watcher is told at once, by their names and what they are of. */
async function toldAfter(
  lastEventId?: string,
  socketPath = agent.enrolled.socket,
): Promise<string[]> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const sent = request({
    socketPath,
    path: '/v1/watch',
    headers,
    agent: false,
  });
  const stream: IncomingMessage = await responseTo(sent);
  let heard = '';
  stream.setEncoding('utf8').on('data', (text: string) => (heard += text));
  await until(() => /event: revision\n.*\n\n$/.test(heard));
  sent.destroy();
  return [...heard.matchAll(/event: (\w+)\ndata: (.*)/g)].map(([, name, data = '']) => {
    const { name: of, removed } = JSON.parse(data);
    return of === undefined ? String(name) : `${removed === true ? 'removed' : name} ${of}`;
  });
}

/** What a stream has brought by now. */
async function watching(socket: string): Promise<{ heard: () => string; end: () => void }> {
  const sent = request({ socketPath: socket, path: '/v1/watch', agent: false });
  let heard = '';
  (await responseTo(sent)).setEncoding('utf8').on('data', (text: string) => (heard += text));
  await until(() => heard.includes('event: revision'));
  return { heard: () => heard, end: () => sent.destroy() };
}

test('[SG-11] a watcher is told to read everything again where what was held was wiped: it may be gone since', async () => {
  agent.double.putSecret('gone', 'x');
  const socket = `${agent.enrolled.socket}.3`;
  await using local = await LocalApiAlone.start(agent.double, agent.enrolled, { socket });
  const watcher = await watching(socket);
  const wiped = agent.double.group.revision;
  local.agent.wipe();
  agent.double.deleteSecret('gone');
  await until(() => watcher.heard().includes(`"revision":${agent.double.group.revision}}`));
  expect(watcher.heard()).toContain('event: reset');
  expect(watcher.heard()).not.toContain('"name":"gone"');
  watcher.end();
  expect(await toldAfter(String(wiped), socket)).toEqual(['reset', 'revision']);
  const again = String(agent.double.group.revision);
  expect(await toldAfter(again, socket)).toEqual(['revision']);
  local.agent.wipe();
  await until(() => local.agent.cache.revision() !== undefined);
  // It may have been told before.
  expect(await toldAfter(again, socket)).toEqual(['reset', 'revision']);
});

describe('[SG-11] a watcher that comes back', () => {
  test('is told what it missed, in order, and nothing that it knew', async () => {
    const known = String(agent.double.group.revision);
    agent.double.putSecret('second', 'a');
    await agent.delivered();
    agent.double.putSecret('third', 'b');
    await agent.delivered();
    agent.double.deleteSecret('second');
    await agent.delivered();
    expect(await toldAfter(known)).toEqual([
      'change second',
      'change third',
      'removed second',
      'revision',
    ]);
    expect(await toldAfter(String(agent.double.group.revision))).toEqual(['revision']);
    expect(await toldAfter()).toEqual(['revision']);
  });

  test.each(['1', '999999', 'what', ''])(
    'with an id that is not known any more, such as %j, is told to read everything again',
    async (id) => {
      expect(await toldAfter(id)).toEqual(['reset', 'revision']);
    },
  );

  test('and is ended while it reads nothing does no harm to the others', async () => {
    const socket = `${agent.enrolled.socket}.2`;
    await using local = await LocalApiAlone.start(agent.double, agent.enrolled, { socket });
    const read = async (name: string) => (await askSocket(socket, `/v1/secrets/${name}`)).status;
    const known = agent.double.group.revision;
    // More than the system takes at once, and less than is held for a watcher that does not read.
    for (let index = 0; index < 2_300; index += 1) agent.double.putSecret(`held/${index}`, 'x');
    await until(async () => (await read('held/2299')) === 200);
    const unread = connect(socket)
      .pause()
      .on('error', () => {});
    unread.write(`GET /v1/watch HTTP/1.1\r\nhost: x\r\nlast-event-id: ${known}\r\n\r\n`);
    // Whoever is answered asked later.
    await read('first');
    local.api.revoke();
    agent.double.putSecret('later', 'x');
    await until(async () => (await read('later')) === 200);
    unread.destroy();
  });

  test('after more changes than are remembered is told to read everything again', async () => {
    const known = String(agent.double.group.revision);
    for (let index = 0; index < 4_096; index += 1) agent.double.putSecret(`many/${index}`, 'x');
    await agent.delivered();
    const later = String(agent.double.group.revision);
    agent.double.putSecret('last', 'x');
    await agent.delivered();
    expect(await toldAfter(known)).toEqual(['reset', 'revision']);
    expect(await toldAfter(later)).toEqual(['change last', 'revision']);
  });
});
