import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { unusedPort } from '../src/unused-port.ts';

test('ports that are given out differ, can be listened on, and are no one’s that listens already', async () => {
  const first = await unusedPort();
  const server = createServer().listen(first + 1, '127.0.0.1');
  await once(server, 'listening');
  const others = [await unusedPort(), await unusedPort()];
  expect(others).not.toContain(first + 1);
  expect(new Set([first, ...others]).size).toBe(3);
  server.close();
  await once(server, 'close');
});
