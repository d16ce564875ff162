import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase } from '@sallyport/testkit/database';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { Database } from '../../src/platform/db.ts';

const SILENCE_TIMEOUT_MS = 300;

let gate: TcpGate;
let dropDatabase: () => Promise<void>;
let db: Database;
beforeAll(async () => {
  const database = await createTestDatabase();
  dropDatabase = database.drop;
  const url = new URL(database.url);
  gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
  url.port = String(gate.port);
  db = new Database(url.href, SILENCE_TIMEOUT_MS);
});
afterAll(async () => {
  gate.restore();
  await db.close();
  await gate.close();
  await dropDatabase();
});

test('[F-13] a database that falls silent is given up, within a transaction too, and used again when it speaks', async () => {
  const unavailable = { code: 'server.unavailable' };
  expect(await db.read((reader) => reader.group.count())).toBe(0);
  gate.freeze();
  await expect(db.read((reader) => reader.group.count())).rejects.toMatchObject(unavailable);
  gate.restore();
  expect(await db.read((reader) => reader.group.count())).toBe(0);

  const held = db.transaction(async (tx) => {
    await tx.group.count();
    gate.freeze();
    await tx.group.count();
  });
  await expect(held).rejects.toMatchObject(unavailable);
  gate.restore();
  expect(await db.transaction((tx) => tx.group.count())).toBe(0);
});
