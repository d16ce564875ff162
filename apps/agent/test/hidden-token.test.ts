import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { runProgram } from '../src/cli/program.ts';
import { ControlPlaneDouble } from './control-plane-double.ts';

let double: ControlPlaneDouble;
let home: TempDirectory;
beforeAll(async () => {
  double = await ControlPlaneDouble.start();
});
afterAll(() => double.stop());
beforeEach(async () => {
  home = await createTempDirectory('hidden-token');
});
afterEach(() => home.remove());

/** A terminal at which somebody types, and which is left open: a person does not close it. */
async function enrollTyping(keys: string) {
  const shown: string[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const exitCode = runProgram(
    [
      'enroll',
      ...['--url', double.url, '--fingerprint', double.fingerprint],
      ...['--state-dir', `${home.path}/state`, '--token-file', '-'],
    ],
    {
      env: {},
      hostname: 'web-1',
      stdin,
      stdout: { write: (text) => shown.push(text.toString()) },
      stderr: { write: (text) => shown.push(text) },
    },
  );
  stdin.write(keys);
  return { exitCode: await exitCode, shown: shown.join('') };
}

describe('an enrollment token that a person types', () => {
  test('is asked for, ends at Enter, and is not shown', async () => {
    const token = double.mintToken();
    const { exitCode, shown } = await enrollTyping(`${token}\rls -l\r`);
    expect({ exitCode, shown }).toEqual({
      exitCode: 0,
      shown: expect.stringMatching(/^Enrollment token \(not shown\): \nEnrolled as web-1 /),
    });
    expect(shown).not.toContain(token.slice(10, 40));
  });

  test.each([
    ['Ctrl-C', '\u0003', 130, 'interrupted; nothing was entered'],
    ['Ctrl-D', '\u0004', 2, 'nothing was entered'],
  ])('is not waited for after %s', async (_name, key, exitCode, why) => {
    expect(await enrollTyping(key)).toEqual({
      exitCode,
      shown: `Enrollment token (not shown): \nsallyport-agent: ${why}\n`,
    });
  });
});
