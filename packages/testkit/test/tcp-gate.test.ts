import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startTcpGate, type TcpGate } from '../src/tcp-gate.ts';

let echo: Server;
let gate: TcpGate;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  gate = await startTcpGate({ port: address.port });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await gate.close();
  await new Promise((resolve) => echo.close(resolve));
});

async function enter(): Promise<Socket> {
  const client = connect(gate.port, '127.0.0.1').setEncoding('utf8');
  clients.push(client);
  await once(client, 'connect');
  return client;
}

async function said(client: Socket): Promise<string> {
  const [text] = await once(client, 'data');
  return String(text);
}

/** By the time this is back, bytes through an open gate would be too. */
async function roundTripPastTheGate(): Promise<void> {
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  for (let trip = 0; trip < 5; trip += 1) {
    const client = connect(address.port, '127.0.0.1');
    clients.push(client);
    client.write('x');
    await said(client);
  }
}

describe('a gate', () => {
  test('carries bytes both ways, and an end', async () => {
    const client = await enter();
    client.write('there and back');
    expect(await said(client)).toBe('there and back');
    client.end();
    await once(client, 'end');
  });

  test('carries a megabyte unchanged', async () => {
    const client = await enter();
    const text = Array.from({ length: 200_000 }, (_, index) => index).join('');
    let received = '';
    client.on('data', (chunk) => (received += String(chunk)));
    client.end(text);
    await once(client, 'end');
    expect(received === text).toBe(true);
  });

  test('silent, carries nothing over what is open, for good, and what is new as ever', async () => {
    const client = await enter();
    client.write('a');
    await said(client);
    let heard = '';
    client.on('data', (chunk) => (heard += String(chunk)));
    gate.silence();
    client.write('b');
    gate.restore();
    const again = await enter();
    again.write('c');
    expect(await said(again)).toBe('c');
    await roundTripPastTheGate();
    expect(heard).toBe('');
  });

  test('cut, resets what is open and what is new, until it is restored', async () => {
    const client = await enter();
    client.write('a');
    await said(client);
    gate.cut();
    await expect(once(client, 'end')).rejects.toThrow('ECONNRESET');

    const refused = connect(gate.port, '127.0.0.1');
    clients.push(refused);
    await expect(once(refused, 'end')).rejects.toThrow('ECONNRESET');

    gate.restore();
    const again = await enter();
    again.write('b');
    expect(await said(again)).toBe('b');
  });

  test('frozen, holds bytes and ends back and keeps the connection, then lets them flow in order', async () => {
    const client = await enter();
    client.write('a');
    await said(client);
    gate.freeze();
    let seen = '';
    client.on('data', (chunk) => (seen += String(chunk)));
    client.write('b');
    client.end('c');
    await roundTripPastTheGate();
    expect(seen).toBe('');

    gate.restore();
    await once(client, 'end');
    expect(seen).toBe('bc');
  });

  test('delayed, adds its delay to each direction', async () => {
    const client = await enter();
    gate.delay(40);
    const sentAt = performance.now();
    client.write('late');
    await said(client);
    expect(performance.now() - sentAt).toBeGreaterThan(79);
  });

  test('resets a client when nobody listens behind it', async () => {
    await using lonely = await startTcpGate({ port: 1 });
    const client = connect(lonely.port, '127.0.0.1');
    clients.push(client);
    await expect(once(client, 'end')).rejects.toThrow('ECONNRESET');
  });
});
