import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asAdmin, createTestDatabase, type TestDatabase } from '@sallyport/testkit/database';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { schedule } from '../../src/maintenance/chore-schedule.ts';
import { createLog } from '../../src/platform/log.ts';
import { openQueueBackend, type QueueBackend } from '../../src/platform/queue-backend.ts';

let database: TestDatabase;
let gate: TcpGate;
let backend: QueueBackend;
beforeAll(async () => {
  database = await createTestDatabase();
  const url = new URL(database.url);
  gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
  url.port = String(gate.port);
  const log = createLog('silent', { write: () => {} });
  backend = await openQueueBackend({ database: { connectionString: url.href } }, log);
});
afterAll(async () => {
  await backend.close();
  await database.drop();
});

test('a worker that cannot connect to Postgres is refused and keeps nothing from going on, and the next one does its chores', async () => {
  const done = Promise.withResolvers<void>();
  const queue = (await backend.queues({}))('early');
  await schedule(queue, { chore: { everyMs: 500, work: async () => {} } });
  const begin = () => backend.worker('early', async () => done.resolve());
  gate.freeze();
  await expect(begin()).rejects.toThrow(
    /^Postgres does not serve the queue \(.*timeout.*\); start/,
  );
  gate.cut();
  await expect(begin()).rejects.toThrow(
    /^Postgres does not serve the queue \(.*ECONNRESET.*\); start/,
  );
  gate.restore();
  const worker = await begin();
  await done.promise;
  await worker.close();
}, 30_000);

test('a worker that Postgres refuses, as one that is read-only does, asks once a second, and goes on when it may write', async () => {
  let done = Promise.withResolvers<void>();
  const queue = (await backend.queues({}))('refused');
  await schedule(queue, { chore: { everyMs: 500, work: async () => {} } });
  const worker = await backend.worker('refused', async () => done.resolve());
  const refusedAt: number[] = [];
  const often = Promise.withResolvers<void>();
  worker.on('error', ({ message }) => {
    if (message.includes('read-only')) refusedAt.push(performance.now());
    if (refusedAt.length === 4) often.resolve();
  });
  await done.promise;

  await setReadOnly('on');
  await often.promise;
  const [first = 0, , , fourth = 0] = refusedAt;
  expect(fourth - first).toBeGreaterThan(2_500);
  done = Promise.withResolvers();
  await setReadOnly('off');
  await done.promise;
  await worker.close();
}, 60_000);

/** From now on, for each connection of the queue, which is a new one. */
async function setReadOnly(value: 'on' | 'off'): Promise<void> {
  await asAdmin(database.url, async (client) => {
    await client.query('SET default_transaction_read_only = off');
    const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
    const name = client.escapeIdentifier(rows[0]?.name ?? '');
    await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = ${value}`);
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
  });
}

test('a worker whose connections to Postgres fall silent does its chores over new ones', async () => {
  let done = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<Error>();
  const queue = (await backend.queues({}))('chores');
  await schedule(queue, { chore: { everyMs: 500, work: async () => {} } });
  const worker = await backend.worker('chores', async () => done.resolve());
  worker.on('error', failed.resolve);
  await done.promise;

  gate.silence();
  expect((await failed.promise).message).toMatch(/timeout/);
  done = Promise.withResolvers();
  await done.promise;
  await gate.close();
  await worker.close();
}, 30_000);
