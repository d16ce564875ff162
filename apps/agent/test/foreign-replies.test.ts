import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createStreamServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { z } from 'zod';
import { LocalClient } from '../src/cli/local-client.ts';
import { localEvents } from '../src/cli/local-events.ts';
import type { Health } from '../src/local-api/health.ts';
import { runAgent } from './run-agent.ts';

let home: TempDirectory;
let server: Server | undefined;
beforeEach(async () => {
  home = await createTempDirectory('foreign');
});
afterEach(async () => {
  const closed = server && once(server, 'close');
  server?.close();
  await closed;
  server = undefined;
  await home.remove();
});

async function listen(other: Server): Promise<void> {
  server = other;
  other.listen({ path: join(home.path, 'socket') });
  await once(other, 'listening');
}

const answer =
  (status: number, body: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { connection: 'close' }).end(body);

const run = (...args: string[]) => runAgent([...args, '--socket', join(home.path, 'socket')]);

const commands = [['get', 'x'], ['list'], ['status'], ['exec', '--env', 'X=secret:x', 'true']];

describe('a socket at which no agent answers is told as that', () => {
  test.each([
    ['a page', () => createServer(answer(200, '<html>canary</html>'))],
    ['other JSON', () => createServer(answer(200, '{"value":1,"canary":true}'))],
    ['a status alone', () => createServer(answer(431, ''))],
    [
      'no HTTP',
      () => createStreamServer((socket) => void socket.resume().end('220 canary ESMTP\r\n')),
    ],
    [
      '[F-23] that it goes on in another protocol',
      () =>
        createServer(({ socket }) =>
          socket.end('HTTP/1.1 101 Go on\r\nconnection: upgrade\r\nupgrade: canary\r\n\r\n'),
        ),
    ],
  ])('when it answers %s', async (_, start) => {
    await listen(start());
    for (const command of commands) {
      expect(await run(...command)).toEqual({
        code: 8,
        stdout: '',
        stderr: `sallyport-agent: what answers at ${home.path}/socket is no sallyport-agent — name the agent’s socket with --socket or SALLYPORT_AGENT_SOCKET\n`,
      });
    }
  });
});

/** Begins a reply to whoever asks, and goes on as the test says. */
const begins = (head: string, goOn: (socket: Socket) => void) =>
  createStreamServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
      goOn(socket);
    });
  });

describe('a reply that breaks off', () => {
  const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`;
  const goOnWriting = (socket: Socket): void =>
    void socket.write(chunk, (error) => (error ? undefined : goOnWriting(socket)));
  const unreachable = { code: 4, stderr: /^sallyport-agent: no agent answers at .*\n$/ };
  const unrecognised = { code: 8, stderr: /^sallyport-agent: what answers at .* is no .*\n$/ };
  test.each([
    ['half-way', 'content-length: 100', '{"name":', unreachable],
    ['in a malformed chunk', 'transfer-encoding: chunked', 'canary', unrecognised],
  ])('%s is told as that', async (_, head, rest, told) => {
    await listen(begins(head, (socket) => socket.end(rest)));
    for (const command of commands) {
      const { code, stdout, stderr } = await run(...command);
      expect({ code, stdout }).toEqual({ code: told.code, stdout: '' });
      expect(stderr).toMatch(told.stderr);
    }
  });

  test.each([
    ['comes to a halt', () => {}, 50, 'agent.unreachable', 'no reply in time'],
    ['never ends', goOnWriting, undefined, 'agent.unrecognised', 'no sallyport-agent'],
  ])('because it %s is no reply', async (_, goOn, timeoutMs, code, words) => {
    await listen(begins('transfer-encoding: chunked', goOn));
    const client = new LocalClient(join(home.path, 'socket'), timeoutMs);
    await expect(client.read('/v1/secrets', z.unknown())).rejects.toMatchObject({
      code,
      message: expect.stringContaining(words),
    });
  });

  test('that tells of changes is given up where a line of it never ends', async () => {
    await listen(begins('transfer-encoding: chunked', goOnWriting));
    const client = new LocalClient(join(home.path, 'socket'));
    const stream = await client.watch(0, new AbortController().signal);
    await expect(localEvents(stream).next()).rejects.toMatchObject({ code: 'agent.unrecognised' });
  });
});

describe('a name that no secret can have is refused before anything is asked', () => {
  test.each([
    ['too long', 'n'.repeat(9_000)],
    ['half of a surrogate pair', 'a\ud800'],
    ['one that leads elsewhere', '../healthz'],
    ['empty', ''],
  ])('%s', async (_, name) => {
    for (const command of [
      ['get', name],
      ['exec', '--env', `X=secret:${name}`, 'true'],
    ]) {
      const { code, stderr } = await run(...command);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^sallyport-agent: [^\n]{0,200}name[^\n]{0,200}\n$/);
    }
  });
});

describe('text from elsewhere', () => {
  const hostile = `\u001b[2J\u202e${'x'.repeat(100_000)}`;

  function expectHarmless(text: string): void {
    expect(text).toContain(String.raw`\u{1b}[2J\u{202e}`);
    for (const character of ['\u001b', '\u202e']) expect(text).not.toContain(character);
    expect(text.length).toBeLessThan(7_000);
  }

  test('in a refusal is shown, not obeyed, and cut off', async () => {
    const refusal = { type: '', title: '', status: 403, code: 'x.y', requestId: '' };
    await listen(createServer(answer(403, JSON.stringify({ ...refusal, detail: hostile }))));
    const { code, stderr } = await run('get', 'x');
    expect(code).toBe(1);
    expectHarmless(stderr);
  });

  test('in the last error of the link, in a status', async () => {
    const since = '2026-01-01T00:00:00.000Z';
    const report: Health = {
      status: 'stale',
      version: '0.1.0',
      agent: { id: 'a', name: 'web-1', group: 'plant-7' },
      revision: 1,
      epoch: 1,
      entries: 1,
      withheld: 0,
      staleSince: since,
      offline: false,
      controlPlane: {
        url: 'https://127.0.0.1',
        peer: null,
        state: 'refused',
        since,
        lastError: { code: 'x.y', message: hostile, advice: null, at: since },
      },
      tlsWeak: null,
      authentication: { method: 'key', expiresAt: null },
      fileProblems: [],
      durable: { revision: 1, bytes: 1, error: null },
      files: [],
      providers: [],
      imported: { revision: null, issuedAt: null, expiresAt: null, error: null },
      clockOffsetMilliseconds: 0,
      peerCredentials: true,
      memory: { locked: true, dumpable: false, reason: null },
      resources: { memoryBytes: 1, cpuPercent: 1, freeDiskBytes: 1, alarms: [] },
      events: { waiting: 0, dropped: 0, untold: 0 },
      conditions: [{ code: 'stale', detail: hostile }],
    };
    await listen(createServer(answer(200, JSON.stringify(report))));
    const { code, stdout } = await run('status');
    expect(code).toBe(0);
    expectHarmless(stdout);
  });

  test('in the names of a list', async () => {
    const body = JSON.stringify({ revision: 1, items: [{ name: hostile, version: 1 }] });
    await listen(createServer(answer(200, body)));
    expectHarmless((await run('list')).stdout);
  });
});
