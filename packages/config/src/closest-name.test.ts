import { expect, test } from '@jest/globals';
import { didYouMean } from './closest-name.ts';

test.each([
  ['foo', ''],
  ['lgo', ''],
  ['lo', '; did you mean log?'],
  ['logg', '; did you mean log?'],
  ['prot', '; did you mean port?'],
  ['controlPlan', '; did you mean controlPlane?'],
])('for %j it is%s', (typed, said) => {
  expect(didYouMean(typed, ['log', 'port', 'controlPlane'])).toBe(said);
});
