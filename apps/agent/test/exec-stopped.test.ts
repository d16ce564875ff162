import { randomUUID } from 'node:crypto';
import { on, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { agentCommand } from './run-agent.ts';

let home: TempDirectory;
let agent: Server;
let requests: ReturnType<typeof on>;
beforeEach(async () => {
  home = await createTempDirectory('exec-stopped');
  agent = createServer();
  requests = on(agent, 'request');
  await once(agent.listen(join(home.path, 'agent.sock')), 'listening');
});
afterEach(async () => {
  agent.closeAllConnections();
  agent.close();
  await home.remove();
});
afterAll(() => expectNoLeftovers());

const exec = (...values: string[]) =>
  startProcess({
    command: [
      ...[...agentCommand, 'exec', '--socket', join(home.path, 'agent.sock')],
      ...[...values.flatMap((value) => ['--env', value]), '--', 'echo', 'started'],
    ],
  });

/** What is asked next: its method and path, and where to answer. */
async function asked(): Promise<{ line: string; response: ServerResponse }> {
  const { value = [] } = await requests.next();
  const request: IncomingMessage = value[0];
  const response: ServerResponse = value[1];
  return { line: `${request.method} ${request.url}`, response };
}

function lend(response: ServerResponse): string {
  const id = randomUUID();
  const at = new Date(Date.now() + 60_000).toISOString();
  const lease = { id, secret: 'a', version: 1, expiresAt: at, lastsUntil: at, usesLeft: null };
  response.writeHead(201).end(JSON.stringify({ ...lease, value: 'for-a-while' }));
  return id;
}

describe('[SG-45] exec that gets a signal while it asks for the values', () => {
  test('starts nothing after SIGTERM, waits for no answer and gives back what it took', async () => {
    const ran = exec('A=lease:a', 'B=lease:b');
    const id = lend((await asked()).response);
    const unanswered = await asked();
    expect(unanswered.line).toBe('POST /v1/leases');
    const isGivenUp = once(unanswered.response, 'close');
    ran.kill('SIGTERM');
    await isGivenUp;
    const last = await asked();
    expect(last.line).toBe(`DELETE /v1/leases/${id}`);
    last.response.writeHead(204).end();
    expect(await ran.exited).toEqual({ code: 143, signal: null });
    expect(ran.output()).toBe('');
  });

  test('starts the command after SIGWINCH, which ends nothing', async () => {
    const ran = exec('A=lease:a');
    const first = await asked();
    ran.kill('SIGWINCH');
    const id = lend(first.response);
    const last = await asked();
    expect(last.line).toBe(`DELETE /v1/leases/${id}`);
    last.response.writeHead(204).end();
    expect(await ran.exited).toEqual({ code: 0, signal: null });
    expect(ran.stdout).toEqual(['started']);
  });
});
