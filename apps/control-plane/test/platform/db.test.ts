import { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asAdmin, createTestDatabase } from '@sallyport/testkit/database';
import { startTcpGate, type TcpGate } from '@sallyport/testkit/tcp-gate';
import { Database, type Db } from '../../src/platform/db.ts';
import { lockFirstStart } from '../../src/trust/index.ts';

const SILENCE_TIMEOUT_MS = 300;

let gate: TcpGate;
let dropDatabase: () => Promise<void>;
let db: Database;
let databaseUrl: string;
beforeAll(async () => {
  const database = await createTestDatabase();
  databaseUrl = database.url;
  dropDatabase = database.drop;
  const url = new URL(database.url);
  gate = await startTcpGate({ host: url.hostname, port: Number(url.port) });
  url.port = String(gate.port);
  db = new Database({ connectionString: url.href }, SILENCE_TIMEOUT_MS);
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

test('[F-13] a connection that is cut is told as such, whether the statement is Prisma’s or our own', async () => {
  const unavailable = { code: 'server.unavailable' };
  const statements: ((tx: Db) => Promise<unknown>)[] = [
    (tx) => tx.group.count(),
    (tx) => tx.$queryRaw`SELECT 1`,
  ];
  for (const statement of statements) {
    await db.read(statement);
    gate.cut();
    await expect(db.read(statement)).rejects.toMatchObject(unavailable);
    gate.restore();
    const held = db.transaction(async (tx) => {
      await statement(tx);
      gate.cut();
      await statement(tx);
    });
    await expect(held).rejects.toMatchObject(unavailable);
    gate.restore();
  }
});

/** As a name with two addresses does it, neither of which answers. */
function toTwoAddresses(): Socket {
  const socket = new Socket();
  const all = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
  const connect = socket.connect.bind(socket);
  return Object.assign(socket, {
    connect: (port: number, host: string) =>
      connect({ port, host, lookup: (_name, _options, found) => found(null, all) }),
  });
}

test.each([
  [
    'at none of the addresses of its name',
    { host: 'two-addresses', port: 1, stream: toTwoAddresses },
  ],
  ['at a socket that is gone', { host: '/nowhere' }],
  ['over a route that is gone', { host: '255.255.255.255' }],
])('[F-13] a database that does not answer %s is told as such', async (_, at) => {
  const unavailable = { code: 'server.unavailable' };
  const away = new Database({ ...at, user: 'u', password: 'p', database: 'd' });
  await expect(away.direct({ text: 'SELECT 1' }, [])).rejects.toMatchObject(unavailable);
  await expect(away.read((tx) => tx.group.count())).rejects.toMatchObject(unavailable);
  await expect(away.transaction((tx) => tx.group.count())).rejects.toMatchObject(unavailable);
  await away.close();
});

describe('an error of the database', () => {
  const raise = (state: string) =>
    db.transaction(async (tx) => {
      await tx.$executeRawUnsafe(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${state}'; END $$`);
    });

  test.each([
    ['08006', 'a connection that failed'],
    ['25006', 'a server that became read-only'],
    ['40001', 'transactions that collide'],
    ['40P01', 'a deadlock'],
    ['53100', 'a full disk'],
    ['53300', 'too many connections'],
    ['57014', 'a statement that took too long'],
    ['57P01', 'a server that goes away'],
    ['58030', 'a disk that fails'],
  ])('%s, %s, is one that passes', async (state) => {
    await expect(raise(state)).rejects.toMatchObject({
      code: 'server.unavailable',
      retryAfterSeconds: 5,
    });
  });

  test('55P03, a lock that is held, says that the group is busy', async () => {
    await expect(raise('55P03')).rejects.toMatchObject({ code: 'group.busy' });
  });

  test('that is a defect is no passing one', async () => {
    await expect(raise('22012')).rejects.not.toMatchObject({ code: 'server.unavailable' });
    // 22008, which Prisma has its own code for.
    const madeBefore = { createdAt: { lt: new Date('0000-01-01') } };
    const found = db.read((reader) => reader.group.findFirst({ where: madeBefore }));
    await expect(found).rejects.not.toMatchObject({ code: 'server.unavailable' });
  });
});

test('a first start waits for another one longer than a writer for a group', async () => {
  const waits = (before: (tx: Parameters<typeof lockFirstStart>[0]) => Promise<void>) =>
    db.transaction(async (tx) => {
      await before(tx);
      return tx.$queryRaw`SHOW lock_timeout`;
    });
  expect(await waits(lockFirstStart)).toEqual([{ lock_timeout: '0' }]);
  expect(await waits(async () => {})).toEqual([{ lock_timeout: '5s' }]);
});

test('a statement that comes often is prepared, by Prisma’s queries and by our own, and a rare one is not', async () => {
  const prepared = await db.transaction(async (tx) => {
    for (let time = 0; time < 3; time += 1) {
      await tx.$queryRaw`SELECT ${time}::int AS often`;
      await tx.group.findFirst({ where: { name: `often-${time}` } });
      if (time > 0) await tx.$queryRaw`SELECT ${time}::int AS rare`;
    }
    return tx.$queryRaw<{ statement: string }[]>`
      SELECT statement FROM pg_prepared_statements WHERE NOT from_sql`;
  });
  const statements = prepared.map(({ statement }) => statement);
  expect(statements).toEqual(
    expect.arrayContaining([
      'SELECT $1::int AS often',
      expect.stringMatching(/^SELECT .*FROM "public"\."groups"/),
    ]),
  );
  expect(statements.join()).not.toContain('AS rare');
});

test.each([
  ['outside a transaction', <T>(work: (at: Db) => Promise<T>) => db.read(work)],
  ['within one', <T>(work: (at: Db) => Promise<T>) => db.transaction(work)],
])(
  'a plan that no longer fits its column, kept %s, is told as trouble once, and not kept',
  async (_, run) => {
    await asAdmin(databaseUrl, (client) =>
      client.query(`
        DROP TABLE IF EXISTS changing;
        CREATE TABLE changing AS SELECT 7 AS x;
        GRANT SELECT ON changing TO sallyport_app`),
    );
    const look = () => run((at) => at.$queryRaw`SELECT x FROM changing`);
    for (const _time of [1, 2, 3, 4]) expect(await look()).toEqual([{ x: 7 }]);
    for (const type of ['text', 'varchar(9)']) {
      await asAdmin(databaseUrl, (client) =>
        client.query(`ALTER TABLE changing ALTER x TYPE ${type}`),
      );
      await expect(look()).rejects.toMatchObject({ code: 'server.unavailable' });
      for (const _time of [1, 2, 3, 4]) expect(await look()).toEqual([{ x: '7' }]);
    }
  },
);
