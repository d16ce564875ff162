import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { containerEngineAnswers } from '../src/container-engine.ts';
import { createTempDirectory } from '../src/temp.ts';

async function askAnEngineThat(handle: RequestListener): Promise<boolean> {
  await using folder = await createTempDirectory();
  const path = join(folder.path, 'docker.sock');
  const server = createServer(handle).listen(path);
  await once(server, 'listening');
  try {
    return await containerEngineAnswers(`unix://${path}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('a container engine', () => {
  test('is there when it answers its ping', async () => {
    const asked: (string | undefined)[] = [];
    const answers = await askAnEngineThat((request, response) => {
      asked.push(request.url);
      response.end('OK');
    });
    expect({ answers, asked }).toEqual({ answers: true, asked: ['/_ping'] });
  });

  test('that refuses, or hangs, or has no socket, is none', async () => {
    expect(await askAnEngineThat((_, response) => void response.writeHead(500).end())).toBe(false);
    expect(await askAnEngineThat(() => {})).toBe(false);
    expect(await containerEngineAnswers('unix:///nonexistent/docker.sock')).toBe(false);
    expect(await containerEngineAnswers('tcp://127.0.0.1:1')).toBe(false);
  });
});
