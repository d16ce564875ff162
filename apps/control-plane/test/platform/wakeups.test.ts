import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
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
    createLog('error', { write: () => {} }),
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
    createLog('warn', { write }),
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

test('no stop waits for a database that has fallen silent: not of who listens, nor of who stands for an office', async () => {
  const { hostname, port } = new URL(url);
  await using gate = await startTcpGate({ host: hostname, port: Number(port) });
  const gated = new URL(url);
  gated.port = String(gate.port);
  const log = createLog('silent', { write: () => {} });
  const at = { connectionString: gated.href };
  const silent = new WakeupListener(at, log, { wakeup: () => {}, connected: () => {} }, 1_000);
  const run = () => Promise.reject(new Error('another holds the lock'));
  const work = { lock: 4711, name: 'waits', answersInMs: 800, run };
  const standing = new Elected(at, { log, clock: systemClock }, work);
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
