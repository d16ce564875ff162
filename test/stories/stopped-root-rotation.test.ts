import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { expectNoLeftovers, startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { processesNow } from '../fixtures/places.ts';

const START_MS = 60_000;
const TOLD =
  'sallyport-server: stopped before anything was sealed anew; the root key is as it was. Run rotate-root again';

let folder: TempDirectory;
let environment: Record<string, string>;
beforeAll(async () => {
  folder = await createTempDirectory('rotation');
  // The embedded server runs as a user of its own when the test runs as root.
  await chmod(folder.path, 0o711);
  environment = {
    HOME: folder.path,
    SALLYPORT_DATA_DIR: join(folder.path, 'data'),
    ...Object.fromEntries(
      ['OPERATOR_API', 'AGENT_API', 'METRICS'].map((name) => [`SALLYPORT_${name}_PORT`, '0']),
    ),
  };
});
afterAll(async () => {
  await expectNoLeftovers();
  await folder.remove();
});

function server(...args: string[]): TestProcess {
  return startProcess({
    command: [join(import.meta.dirname, '../../bin/sallyport-server'), ...args],
    env: environment,
    ownGroup: true,
  });
}

/** Nothing of this installation runs any more, and no Postgres. */
async function expectNothingRuns(): Promise<void> {
  const running = (await processesNow()).filter(({ bytes }) => bytes.includes(folder.path));
  expect(running.map(({ bytes }) => bytes.toString())).toEqual([]);
}

test('[A7-10] a Ctrl-C at rotate-root ends the embedded database too, and leaves all changed or nothing, as it says; the next run goes through', async () => {
  const first = server();
  await first.waitForLine(/Sallyport is running\./, START_MS);
  first.pressCtrlC();
  expect(await first.exited).toEqual({ code: 0, signal: null });
  const keyIn = (name: string) => readFile(join(folder.path, 'data', name), 'utf8');
  const before = await keyIn('root-key');

  const stopped = server('rotate-root');
  await stopped.waitForLine(/embedded Postgres started/, START_MS);
  stopped.pressCtrlC();
  const { code } = await stopped.exited;
  const left = await keyIn('root-key');
  // All is sealed anew within a second: a signal that comes later than that has nothing left to stop.
  const tooLate = { code: 0, changed: true, told: false };
  expect({ code, changed: left !== before, told: stopped.output().includes(TOLD) }).toEqual(
    code === 0 ? tooLate : { code: 1, changed: false, told: true },
  );
  await expectNothingRuns();

  const again = server('rotate-root');
  expect(await again.exited).toEqual({ code: 0, signal: null });
  expect(await keyIn('root-key')).not.toBe(left);
  expect(await keyIn('root-key.previous')).toBe(left);
  await expectNothingRuns();
}, 120_000);
