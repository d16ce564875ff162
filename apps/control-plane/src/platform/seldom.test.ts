import { expect, test } from '@jest/globals';
import { createClock } from '@sallyport/testkit/clock';
import { seldom } from './seldom.ts';

test('of what comes a hundred times a second the first is told, and then one in ten seconds with the count', () => {
  const clock = createClock();
  const told: unknown[] = [];
  const hear = seldom(clock, (event: string, count) => told.push([event, count]));
  for (let index = 0; index < 1000; index += 1) {
    hear(`fault ${index}`);
    clock.advance(10);
  }
  expect(told).toEqual([['fault 0', 1]]);
  hear('fault 1000');
  expect(told).toEqual([
    ['fault 0', 1],
    ['fault 1000', 1000],
  ]);
});

test('a clock that was set back silences nothing until it has caught up', () => {
  const clock = createClock();
  const told: string[] = [];
  const hear = seldom(clock, (event: string) => told.push(event));
  hear('before');
  clock.advance(-3_600_000);
  hear('after');
  hear('at once again');
  expect(told).toEqual(['before', 'after']);
});
