import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { formatToken, mintToken } from '@sallyport/crypto/token';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runProgram } from '../src/cli/program.ts';

let home: TempDirectory;
let socket: string;
let silent: Server;
beforeEach(async () => {
  home = await createTempDirectory('waiting');
  socket = join(home.path, 'agent.sock');
  await writeFile(join(home.path, 'template'), '{{ "a" | secret }}');
  silent = createServer();
  await once(silent.listen(socket), 'listening');
});
afterEach(async () => {
  silent.closeAllConnections();
  silent.close();
  await home.remove();
});

/** Runs a command whose agent does not answer, and hangs up on it once it has told something. */
async function toldBy(args: readonly string[], isTTY: boolean): Promise<string[]> {
  const told: string[] = [];
  const write = (text: string) => {
    told.push(text);
    silent.closeAllConnections();
  };
  const output = { write: () => {} };
  const context = { env: {}, hostname: 'web-1', stdin: Readable.from(['']), stdout: output };
  const ended = runProgram([...args, '--socket', socket], { ...context, stderr: { isTTY, write } });
  const [, answer] = await once(silent, 'request');
  if (!isTTY) answer.destroy();
  expect(await ended).not.toBe(0);
  return told;
}

const file = (name: string) => join(home.path, name);
describe.each<[string, () => string[], string]>([
  ['get', () => ['get', 'a'], 'asking the agent'],
  ['get --certificate', () => ['get', 'a', '--certificate'], 'asking the agent'],
  ['list', () => ['list'], 'asking the agent'],
  ['status', () => ['status'], 'asking the agent'],
  ['lease read', () => ['lease', 'read', randomUUID()], 'asking the agent'],
  ['lease return', () => ['lease', 'return', randomUUID()], 'asking the agent'],
  ['exec', () => ['exec', '--env', 'A=secret:a', 'true'], 'asking the agent for the values'],
  [
    'render',
    () => ['render', '--template', file('template'), '--output', file('output')],
    'asking the agent for the values',
  ],
  [
    'lease renew',
    () => ['lease', 'renew', randomUUID()],
    'asking the control plane, through the agent',
  ],
])('%s', (_, args, what) => {
  test('tells a person at a terminal what it waits for', async () => {
    expect((await toldBy(args(), true))[0]).toBe(`sallyport-agent: ${what} …\n`);
  });

  test('tells nothing but its failure where no person is', async () => {
    const [failure = '', ...others] = await toldBy(args(), false);
    expect(failure).toMatch(/^sallyport-agent: .* — /);
    expect(others).toEqual([]);
  });
});

test('enroll tells a person at a terminal that a control plane does not answer', async () => {
  const told: string[] = [];
  const host = createTcpServer();
  host.listen(0, '127.0.0.1');
  await once(host, 'listening');
  const address = host.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const open: Socket[] = [];
  host.on('connection', (connection) => void open.push(connection));
  const fingerprint = `SHA256:${Array(32).fill('AB').join(':')}`;
  const ended = runProgram(
    [
      ...['enroll', '--url', `https://127.0.0.1:${port}`, '--fingerprint', fingerprint],
      ...['--token-file', '-', '--state-dir', file('state'), '--socket', socket],
    ],
    {
      env: {},
      hostname: 'web-1',
      stdin: Readable.from([formatToken(mintToken('enroll', randomUUID()))]),
      stdout: { write: () => {} },
      stderr: {
        isTTY: true,
        write: (text) => {
          told.push(text);
          for (const connection of open) connection.destroy();
        },
      },
    },
  );
  expect(await ended).not.toBe(0);
  expect(told[0]).toBe('sallyport-agent: asking the control plane which CA it has …\n');
  host.close();
});
