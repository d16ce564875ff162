import { jestExpect } from '@jest/expect';

/**
 * What the test that ends promised by `expect.assertions` or `expect.hasAssertions` and did not keep. jest's runner
 * asks that of an `expect` of its own, which no test here calls.
 */
export function brokenPromises(): Error[] {
  return jestExpect.extractExpectedAssertionsErrors().map(({ error }) => error);
}
