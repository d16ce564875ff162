import { expect, test } from '@jest/globals';
import { StatementNames } from './statement-names.ts';

const namesOf = (names: StatementNames, text: string, times: number) =>
  Array.from({ length: times }, () => names.nameOf(text));

test('a statement has a name of its own from the third time on', () => {
  const names = new StatementNames();
  expect(namesOf(names, 'SELECT 1', 4)).toEqual(['', '', 'sallyport_1', 'sallyport_1']);
  expect(namesOf(names, 'SELECT 2', 3)).toEqual(['', '', 'sallyport_2']);
  expect(names.nameOf('SELECT 1')).toBe('sallyport_1');
});

test('there are 300 names at most, which stay', () => {
  const names = new StatementNames();
  for (let index = 0; index < 300; index += 1) namesOf(names, `SELECT ${index}`, 3);
  expect(namesOf(names, 'SELECT 300', 4)).toEqual(['', '', '', '']);
  expect(names.nameOf('SELECT 299')).toBe('sallyport_300');
});

test('names are others once they are renewed, and are renewed once for each generation', () => {
  const names = new StatementNames();
  namesOf(names, 'SELECT 1', 3);
  const { generation } = names;
  for (const _ of [1, 2]) {
    names.renew(generation);
    expect(namesOf(names, 'SELECT 1', 3).at(-1)).toBe('sallyport_2');
  }
  expect(names.generation).not.toBe(generation);
});

test('statements that never come again take no names, and are not counted for ever', () => {
  const names = new StatementNames();
  namesOf(names, 'SELECT 1', 2);
  for (let index = 0; index < 1_000; index += 1) names.nameOf(`SELECT ${index} once`);
  expect(namesOf(names, 'SELECT 1', 3)).toEqual(['', '', 'sallyport_1']);
});

test.each([
  ['SELECT id FROM leases WHERE agent_id = $1 AND id IN ($2,$3)'],
  ['SELECT id FROM leases WHERE id NOT IN ($1,$2,$3)'],
  ['INSERT INTO "events" ("id","at") VALUES ($1,$2), ($3,$4)'],
  ['INSERT INTO "events" ("id","at") VALUES ($1,$2),($3,$4)'],
])('a list that may be of any length takes none: %s', (text) => {
  const names = new StatementNames();
  expect(namesOf(names, text, 4)).toEqual(['', '', '', '']);
});

test.each([
  ["SELECT id FROM leases WHERE id = ANY($1::uuid[]) AND kind IN ('a', 'b')"],
  ['INSERT INTO "events" ("id","at") VALUES ($1,$2) RETURNING "id"'],
])('what has one text takes one: %s', (text) => {
  expect(new Set(namesOf(new StatementNames(), text, 4))).toContain('sallyport_1');
});
