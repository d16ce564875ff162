import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { asAdmin, createTestDatabase } from '@sallyport/testkit/database';
import { startTcpGate } from '@sallyport/testkit/tcp-gate';
import { until } from '@sallyport/testkit/until';
import { systemClock } from '../../src/platform/clock.ts';
import { Elected } from '../../src/platform/elected.ts';
import { createLog } from '../../src/platform/log.ts';
import { WakeupListener, type Wakeup } from '../../src/platform/wakeups.ts';

let url: string;
let dropDatabase: () => Promise<void>;
let listener: WakeupListener;
let heard = Promise.withResolvers<Wakeup>();
beforeAll(async () => {
  const database = await createTestDatabase();
  url = database.url;
  dropDatabase = database.drop;
  listener = new WakeupListener(
    { connectionString: url },
    { log: createLog('error', { write: () => {} }), clock: systemClock },
    {
      wakeup: (message) => heard.resolve(message),
      connected: () => {},
    },
  );
  await listener.start();
});
afterAll(async () => {
  await listener.close();
  await dropDatabase();
});

test.each(['', 'not JSON', '{"kind":"group"}', 'null'])(
  'a notification that is no wake-up (%j) is passed over, and the next one is heard',
  async (payload) => {
    heard = Promise.withResolvers();
    const message = { kind: 'group', groupId: randomUUID() };
    await asAdmin(url, async (client) => {
      for (const text of [payload, JSON.stringify(message)])
        await client.query('SELECT pg_notify($1, $2)', ['sallyport_wakeups', text]);
    });
    expect(await heard.promise).toEqual(message);
  },
);

test('a connection that falls silent is noticed, and another one hears again', async () => {
  const { hostname, port } = new URL(url);
  await using gate = await startTcpGate({ host: hostname, port: Number(port) });
  const gatedUrl = new URL(url);
  gatedUrl.port = String(gate.port);
  const noticed = Promise.withResolvers<void>();
  let connected = Promise.withResolvers<void>();
  const wakeup = Promise.withResolvers<Wakeup>();
  const write = (line: string) => {
    if (line.includes('is silent')) noticed.resolve();
  };
  const on = { wakeup: wakeup.resolve, connected: () => connected.resolve() };
  const silent = new WakeupListener(
    { connectionString: gatedUrl.href },
    { log: createLog('warn', { write }), clock: systemClock },
    on,
    100,
  );
  try {
    await silent.start();
    await connected.promise;
    connected = Promise.withResolvers();
    gate.freeze();
    await noticed.promise;
    expect(silent.connected).toBe(false);
    gate.cut();
    gate.restore();
    await connected.promise;
    const message = { kind: 'group', groupId: randomUUID() };
    await asAdmin(url, (client) =>
      client.query('SELECT pg_notify($1, $2)', ['sallyport_wakeups', JSON.stringify(message)]),
    );
    expect(await wakeup.promise).toEqual(message);
  } finally {
    await silent.close();
  }
}, 10_000);

test('a database that cannot be reached is tried again and again, and told of once in ten seconds', async () => {
  const broken = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(broken, 'listening');
  const address = broken.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const lines: string[] = [];
  const log = createLog('warn', { write: (line) => void lines.push(line) });
  const waiting = new WakeupListener(
    { host: '127.0.0.1', port, user: 'sallyport' },
    { log, clock: createClock() },
    { wakeup: () => {}, connected: () => {} },
  );
  try {
    await waiting.start();
    for (const _ of ['again', 'and again']) await once(broken, 'connection');
    expect(lines).toEqual([expect.stringContaining('cannot listen for wake-ups')]);
  } finally {
    await waiting.close();
    broken.close();
  }
});

test('no stop waits for a database that has fallen silent: not of who listens, nor of who stands for an office', async () => {
  const { hostname, port } = new URL(url);
  await using gate = await startTcpGate({ host: hostname, port: Number(port) });
  const gated = new URL(url);
  gated.port = String(gate.port);
  const log = createLog('silent', { write: () => {} });
  const at = { connectionString: gated.href };
  const own = { log, clock: systemClock };
  const silent = new WakeupListener(at, own, { wakeup: () => {}, connected: () => {} }, 1_000);
  const run = () => Promise.reject(new Error('another holds the lock'));
  const work = { lock: 4711, name: 'waits', answersInMs: 800, run };
  const standing = new Elected(at, own, work);
  await asAdmin(url, async (client) => {
    await client.query('SELECT pg_advisory_lock(4711)');
    standing.start();
    const asked = `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'idle' AND query LIKE '%pg_try_advisory_lock%'`;
    await until(async () => (await client.query(asked)).rowCount === 1);
    await silent.start();
    gate.freeze();
    const stops = Promise.all([silent.close(), standing.stop()]);
    await expect(stops).resolves.toEqual([undefined, undefined]);
  });
}, 10_000);
