import { expect, test } from '@jest/globals';
import { atLeast, atMost, describeMachine, tableOf } from './result.ts';

test('a goal is met up to its bound, or from it on', () => {
  const of = (value: number) => ({ value, unit: 'ms' });
  expect([atMost('a', of(5), 5).met, atMost('a', of(5.1), 5).met]).toEqual([true, false]);
  expect([atLeast('a', of(5), 5).met, atLeast('a', of(4.9), 5).met]).toEqual([true, false]);
});

test('the table says in which direction a goal lies', () => {
  const goals = [
    atMost('late', { value: 1.005, unit: 'ms', yardstick: 0.5 }, 2),
    atLeast('fast', { value: 7, unit: '/s' }, 8),
  ];
  const result = { benchmark: 'b', machine: describeMachine(), samples: 3, goals };
  expect(tableOf(result)).toMatch(/late .* <= 2 ms +met\n +fast .* >= 8 \/s +MISSED\n/);
});
