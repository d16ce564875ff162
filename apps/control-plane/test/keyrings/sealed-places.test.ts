import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  readSealed,
  replaceSealed,
  type SealedPlace,
  type SealedRow,
} from '../../src/keyrings/sealed-places.store.ts';
import type { Db } from '../../src/platform/db.ts';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';
import { OperatorClient } from '../operator-client.ts';

const values: SealedPlace = { table: 'secret_versions', column: 'sealed_value' };
const deliveryKeys: SealedPlace = {
  table: 'delivery_keys',
  column: 'sealed_key',
  key: { column: 'epoch', type: 'int' },
  row: `group_id || '/' || epoch`,
};
const MANY = { rows: 100, bytes: 1_000_000 };
/** What surrounds a ciphertext: format, nonce and tag. */
const OVERHEAD = 29;

let controlPlane: TestControlPlane;
let owner: OperatorClient;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
  owner = await OperatorClient.signedIn(controlPlane.operatorApp);
});
afterAll(() => controlPlane.end());

let made = 0;
let groupId: string;
beforeEach(async () => {
  made += 1;
  for (const name of [`plant-${made}`, `other-${made}`]) {
    await owner.call('POST', '/groups', { name });
    for (const [secret, length] of [
      ['a', 11],
      ['b', 21],
      ['c', 31],
      ['d', 41],
    ] as const)
      await owner.call('PUT', `/groups/${name}/secrets/${secret}`, { value: 'x'.repeat(length) });
  }
  const where = { name: `plant-${made}` };
  groupId = (await on((db) => db.group.findFirstOrThrow({ where }))).id;
});

const on = <T>(work: (db: Db) => Promise<T>) => controlPlane.platform.db.read(work);
const read = (limit: typeof MANY, after?: string, place = values) =>
  on((db) => readSealed(db, place, { groupId, version: 1, after }, limit));
const lengths = (rows: SealedRow[]) => rows.map(({ sealed }) => sealed.byteLength - OVERHEAD);

test('[F-15] sealed values of one group are read in pages, each after the last row of the one before', async () => {
  const first = await read({ ...MANY, rows: 3 });
  expect(lengths(first)).toEqual([11, 21, 31]);
  const second = await read({ ...MANY, rows: 3 }, first.at(-1)?.key);
  expect(lengths(second)).toEqual([41]);
  expect(await read(MANY, second.at(-1)?.key)).toEqual([]);
  expect([...first, ...second].every(({ key, row }) => key === row)).toBe(true);
});

test('[F-15] a page ends where it has become large, and holds one value at least', async () => {
  const firstTwo = 11 + 21 + 2 * OVERHEAD;
  expect(lengths(await read({ ...MANY, bytes: firstTwo + 1 }))).toEqual([11, 21, 31]);
  expect(lengths(await read({ ...MANY, bytes: firstTwo }))).toEqual([11, 21]);
  expect(lengths(await read({ ...MANY, bytes: 1 }))).toEqual([11]);
});

test('[F-15] rows may be told apart by something else than an id, and be bound to something else than that', async () => {
  const rows = await read(MANY, undefined, deliveryKeys);
  expect(rows).toMatchObject([{ key: '1', row: `${groupId}/1` }]);
  expect(await read(MANY, '1', deliveryKeys)).toEqual([]);
  const by = { groupId, from: 1, to: 2 };
  expect(await on((db) => replaceSealed(db, deliveryKeys, by, rows))).toBe(1);
  expect(await read(MANY, undefined, deliveryKeys)).toEqual([]);
});

test('[F-15] a value is replaced only while the old key seals it, and in its own group', async () => {
  const [one, other, ...rest] = await read(MANY);
  if (one === undefined || other === undefined) throw new Error('there are no values');
  const anew = [one, other].map((row) => ({ ...row, sealed: randomBytes(40) }));
  const replace = (group: string, rows: SealedRow[]) =>
    on((db) => replaceSealed(db, values, { groupId: group, from: 1, to: 2 }, rows));
  const elsewhere = await on((db) =>
    db.group.findFirstOrThrow({ where: { name: `other-${made}` } }),
  );
  expect(await replace(elsewhere.id, anew)).toBe(0);
  expect(await replace(groupId, anew.slice(0, 1))).toBe(1);
  // Another worker comes with the same batch.
  expect(await replace(groupId, anew)).toBe(1);
  expect(await read(MANY)).toEqual(rest);
  const stored = await on((db) =>
    db.secretVersion.findMany({ where: { groupId, keyVersion: 2 }, orderBy: { id: 'asc' } }),
  );
  expect(stored.map(({ sealedValue }) => Buffer.from(sealedValue))).toEqual(
    anew.map(({ sealed }) => sealed),
  );
});
