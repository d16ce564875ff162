import { jestExpect } from '@jest/expect';
import type { Global } from '@jest/types';
import { framework } from './framework.ts';

type Globals = Global.TestFrameworkGlobals;

/** This module outlives the file that loaded it first: what it exports hands on to that of the file that runs. */
function ofRunningFile<Name extends keyof Globals>(name: Name): Globals[Name] {
  return new Proxy(framework()[name], {
    apply: (_, receiver, given) => Reflect.apply(framework()[name], receiver, given),
    get: (_, key) => Reflect.get(framework()[name], key),
  });
}

export const afterAll: Globals['afterAll'] = ofRunningFile('afterAll');
export const afterEach: Globals['afterEach'] = ofRunningFile('afterEach');
export const beforeAll: Globals['beforeAll'] = ofRunningFile('beforeAll');
export const beforeEach: Globals['beforeEach'] = ofRunningFile('beforeEach');
export const describe: Globals['describe'] = ofRunningFile('describe');
export const test: Globals['test'] = ofRunningFile('test');
export { jestExpect as expect };
