import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import circus, { type TestFile } from 'jest-circus/runner';
import { useFramework } from './framework.ts';

const globals = new URL('globals.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@jest/globals' ? { url: globals, shortCircuit: true } : next(specifier, context),
});

/**
 * jest's own runner, but for how modules are loaded: test files, and all that they import, by Node itself.
 * A worker evaluates each module once, where jest evaluates it anew for each file.
 */
export default async function runTestFile(...file: TestFile): Promise<unknown> {
  const [, , , runtime] = file;
  runtime.setGlobalsForRuntime = useFramework;
  runtime.unstable_shouldLoadAsEsm = () => true;
  runtime.unstable_importModule = async (path) => {
    await import(pathToFileURL(path).href);
  };
  // jest's own looks for source maps at every frame of every stack; nothing here is transformed.
  Reflect.deleteProperty(Error, 'prepareStackTrace');
  return circus.default(...file);
}
