import type { Global } from '@jest/types';

let current: Global.TestFrameworkGlobals | undefined;

export function useFramework(ofThisFile: Global.TestFrameworkGlobals): void {
  current = ofThisFile;
}

/** `describe`, `test` and the hooks of the file that runs now. */
export function framework(): Global.TestFrameworkGlobals {
  if (current === undefined) throw new Error('no test file runs');
  return current;
}
