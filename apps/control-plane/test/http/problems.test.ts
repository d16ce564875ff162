import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { problem } from '@sallyport/contract';
import type { FastifyInstance } from 'fastify';
import { startControlPlane, type TestControlPlane } from '../control-plane.ts';

const CANARY = 'canary-77c1';

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ startMs: Date.now() });
  for (const app of [controlPlane.operatorApp, controlPlane.agentApp])
    await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => controlPlane.end());

async function dial(app: FastifyInstance): Promise<TLSSocket> {
  const { port } = new URL(app.listeningOrigin);
  const ca = controlPlane.caCertificate;
  const socket = connect({ host: '127.0.0.1', port: Number(port), ca });
  await once(socket, 'secureConnect');
  return socket;
}

/** What a listener answers to raw bytes, until it closes. */
async function answerTo(app: FastifyInstance, bytes: string): Promise<string> {
  const socket = await dial(app);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

type Line = Record<string, unknown>;
const logLines = (): Line[] =>
  controlPlane
    .logged()
    .split('\n')
    .filter(Boolean)
    .map((line): Line => JSON.parse(line));

const close = 'host: localhost\r\nconnection: close';
const long = 'a'.repeat(257);

describe.each([
  {
    name: 'operator API',
    app: () => controlPlane.operatorApp,
    base: '/api/v1/groups',
    entry: '/api/v1/sessions',
  },
  {
    name: 'agent API',
    app: () => controlPlane.agentApp,
    base: '/agent/v1/revisions',
    entry: '/agent/v1/session',
  },
])(
  'every refusal of the $name is a problem document that echoes nothing',
  ({ app, base, entry }) => {
    test.each([
      [
        'a path that is not percent-encoding',
        `GET ${base}/%zz${CANARY} HTTP/1.1\r\n${close}`,
        400,
        'request.invalid',
      ],
      [
        'a part of a path that is too long',
        `GET ${base}/${CANARY}${long}/bundle HTTP/1.1\r\n${close}`,
        400,
        'request.invalid',
      ],
      [
        'a method of no route',
        `QUERY ${base}/${CANARY} HTTP/1.1\r\n${close}`,
        415,
        'request.unsupported_media_type',
      ],
      [
        'headers that are too large',
        `GET / HTTP/1.1\r\nx: ${CANARY.repeat(2_000)}`,
        431,
        'request.headers_too_large',
      ],
      ['bytes that are no HTTP', `${CANARY}`, 400, 'request.invalid'],
      [
        'a length that is no number',
        `POST ${entry} HTTP/1.1\r\n${close}\r\ncontent-length: ${CANARY}`,
        400,
        'request.invalid',
      ],
    ])('%s', async (_, head, status, code) => {
      const answer = await answerTo(app(), `${head}\r\n\r\n`);
      const [headers = '', body = ''] = answer.split('\r\n\r\n');
      expect(headers).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(headers).toMatch(/^content-type: application\/problem\+json\r?$/m);
      expect(answer).not.toContain(CANARY);
      const told = problem.parse(JSON.parse(body));
      expect(told).toMatchObject({ status, code });
      expect(headers).toContain(`x-request-id: ${told.requestId}`);
      expect(logLines()).toContainEqual(
        expect.objectContaining({
          level: 'info',
          msg: 'request refused',
          requestId: told.requestId,
          err: expect.objectContaining({ type: 'AppError', code, message: told.detail }),
        }),
      );
    });

    test('a request that took too long', async () => {
      const { server } = app();
      server.once('secureConnection', (socket: TLSSocket) =>
        server.emit(
          'clientError',
          Object.assign(new Error(CANARY), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }),
          socket,
        ),
      );
      const answer = await answerTo(app(), '');
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request\.timed_out"/);
      expect(answer).not.toContain(CANARY);
    });

    test('a client that hangs up in the middle of its body is no fault of the server', async () => {
      const before = logLines().length;
      const socket = await dial(app());
      const head = `POST ${entry} HTTP/1.1\r\n${close}\r\ncontent-type: application/json\r\ncontent-length: 100`;
      socket.write(`${head}\r\n\r\n{"a":`, () => socket.destroy());
      const refused = () =>
        logLines()
          .slice(before)
          .find(({ msg }) => msg === 'request refused');
      while (refused() === undefined) await setImmediate();
      expect(refused()).toMatchObject({ level: 'info', code: 'request.invalid' });
    });
  },
);

test('a request that is well-formed is answered, and its lines in the log have its id', async () => {
  const path = '/api/openapi.json';
  const answer = await answerTo(
    controlPlane.operatorApp,
    `GET ${path} HTTP/1.1\r\n${close}\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  const [, id] = /^x-request-id: (\S+)/m.exec(answer) ?? [];
  expect(logLines()).toContainEqual(
    expect.objectContaining({ msg: 'request', route: path, requestId: id }),
  );
});

test('nothing that was refused is in the log, nor is it an error there', () => {
  expect(logLines().filter(({ msg }) => msg === 'request refused').length).toBeGreaterThan(0);
  expect(logLines().filter(({ level }) => level === 'error')).toEqual([]);
  expect(controlPlane.logged()).not.toContain(CANARY);
});
