import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runAgent } from './run-agent.ts';

let home: TempDirectory;
let server: Server;
let asked: number;
let revisionAt: (request: number) => number;

/** Each reply is of the revision that the test says, and so is its value. */
beforeEach(async () => {
  home = await createTempDirectory('exec');
  asked = 0;
  server = createServer((request, response) => {
    asked += 1;
    const revision = revisionAt(asked);
    const name = request.url?.slice('/v1/secrets/'.length);
    const reply = { name, version: 1, revision, value: `${revision}` };
    response.setHeader('connection', 'close').end(JSON.stringify(reply));
  }).listen({ path: join(home.path, 'socket') });
  await once(server, 'listening');
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await home.remove();
});

/** Exits 0 when both values are the same. */
const compare = () =>
  runAgent([
    ...[
      'exec',
      '--socket',
      join(home.path, 'socket'),
      '--env',
      'A=secret:a',
      '--env',
      'B=secret:b',
    ],
    ...['--', 'sh', '-c', '[ "$A" = "$B" ]'],
  ]);

describe('[SG-25] exec gives a command the values of one revision', () => {
  test('by reading all again when it changed in between', async () => {
    revisionAt = (request) => (request === 1 ? 1 : 2);
    expect((await compare()).code).toBe(0);
    expect(asked).toBe(4);
  });

  test('or does not start it when it changes every time', async () => {
    revisionAt = (request) => request;
    const { code, stderr } = await compare();
    expect(code).toBe(4);
    expect(stderr).toMatch(/^sallyport-agent: the secrets changed each of the 5 times/);
    expect(asked).toBe(10);
  });
});
