import { expect, test } from '@jest/globals';
import { defaultStateDirectory } from './default-paths.ts';

test.each([
  ['/data/state', '/data/state/sallyport-agent'],
  ['', '/srv/me/.local/state/sallyport-agent'],
  ['state', '/srv/me/.local/state/sallyport-agent'],
])(
  '[SG-44] keys are kept where XDG_STATE_HOME says, if that is absolute: %j',
  (given, expected) => {
    expect(defaultStateDirectory({ XDG_STATE_HOME: given }, '/srv/me', false)).toBe(expected);
  },
);
