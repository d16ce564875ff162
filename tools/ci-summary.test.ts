import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';

const PROGRAM = join(import.meta.dirname, 'ci-summary.mjs');
/** Of Jest, when three tests ran and all is well. */
const report = {
  success: true,
  numPassedTests: 3,
  numFailedTests: 0,
  numRuntimeErrorTestSuites: 0,
};
const CHECKS = { passed: 13, failed: 0 };

let folder: TempDirectory;
beforeAll(async () => {
  folder = await createTempDirectory('ci-summary');
});
afterAll(() => folder.remove());

/** The last line, and the exit code; what is null has left no report. */
async function summary(jest: unknown, check: unknown = CHECKS): Promise<[string, number | null]> {
  const given = Object.entries({ jest, check });
  const files = given.map(([name]) => join(folder.path, `${name}-${performance.now()}.json`));
  for (const [at, [, content]] of given.entries())
    if (content !== null)
      await writeFile(
        files[at] ?? '',
        typeof content === 'string' ? content : JSON.stringify(content),
      );
  const { stdout, status } = spawnSync(process.execPath, [PROGRAM, ...files], { encoding: 'utf8' });
  return [stdout.trimEnd().split('\n').at(-1) ?? '', status];
}

describe('the last line of the run', () => {
  test('counts every test and every check, and all right is exit code 0', async () => {
    expect(await summary(report)).toEqual(['16 passed, 0 failed', 0]);
  });

  test.each<[what: string, jest: unknown, check: unknown, line: string]>([
    [
      'tests that failed',
      { ...report, success: false, numFailedTests: 2 },
      CHECKS,
      '16 passed, 2 failed',
    ],
    [
      'a test file that could not run, beside a test that failed',
      { ...report, success: false, numFailedTests: 1, numRuntimeErrorTestSuites: 1 },
      CHECKS,
      '16 passed, 2 failed',
    ],
    [
      'a run that failed as a whole, with no test that did',
      { ...report, success: false },
      CHECKS,
      '16 passed, 1 failed',
    ],
    ['a run without a test', { ...report, numPassedTests: 0 }, CHECKS, '13 passed, 1 failed'],
    ['a check that failed', report, { passed: 12, failed: 1 }, '15 passed, 1 failed'],
    ['tests that left no report', null, CHECKS, '13 passed, 1 failed'],
    ['checks that left no report', report, null, '3 passed, 1 failed'],
    ['reports that end in the middle', '{"success": tr', '{', '0 passed, 2 failed'],
  ])('counts %s, with exit code 1', async (_, jest, check, line) => {
    expect(await summary(jest, check)).toEqual([line, 1]);
  });
});
