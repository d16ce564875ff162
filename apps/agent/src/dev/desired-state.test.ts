import { expect, test } from '@jest/globals';
import { DesiredState } from './desired-state.ts';
import type { Content } from './values-file.ts';

test('[SG-45] a name that was gone has a higher version when it comes back', async () => {
  const state = await DesiredState.create();
  const content: Content = { kind: 'secret', name: 'a', value: 'one' };
  const other: Content = { kind: 'secret', name: 'b', value: 'one' };
  const versionsOf = () => ['a', 'b'].map((name) => state.secret(name)?.version);
  state.replace([content, other]);
  expect(versionsOf()).toEqual([1, 1]);
  state.replace([other]);
  expect(versionsOf()).toEqual([undefined, 1]);
  state.replace([content, other]);
  expect(versionsOf()).toEqual([2, 1]);
  expect(state.replace([content, other])).toBe(false);
});
