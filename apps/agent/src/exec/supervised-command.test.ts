import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { until } from '../../test/harness.ts';
import { exitCodes } from '../exit-codes.ts';
import { SupervisedCommand } from './supervised-command.ts';

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGQUIT', 131],
  ['SIGHUP', 129],
] as const)('[SG-45] a command is not started after %s', async (signal, code) => {
  using supervised = new SupervisedCommand({ command: 'false', args: [] }, undefined);
  process.emit(signal, signal);
  supervised.start({});
  expect(await supervised.ended).toBe(code);
});

/** The exit code of a command that is sent a signal while it is started anew: 5 when it was. */
async function restartedUnder(signal: NodeJS.Signals): Promise<number> {
  const script = 'test "$ROUND" = 2 && exit 5; exec sleep 60';
  const env = (ROUND: string) => ({ PATH: process.env['PATH'], ROUND });
  using supervised = new SupervisedCommand({ command: 'sh', args: ['-c', script] }, undefined);
  supervised.start(env('1'));
  const restarted = supervised.restart(10_000, env('2'));
  process.emit(signal, signal);
  await restarted;
  return supervised.ended;
}

test('[SG-04] SIGHUP is for a command that runs, also while it is started anew; SIGINT ends it then', async () => {
  expect(await restartedUnder('SIGHUP')).toBe(5);
  expect(await restartedUnder('SIGINT')).toBeGreaterThan(exitCodes.signalBase);
});

test('[SG-04] SIGHUP does not keep a command that is replaced from ending in order', async () => {
  await using home = await createTempDirectory('replaced');
  const file = (name: string) => join(home.path, name);
  const script =
    'test "$ROUND" = 2 && exit 5; trap "sleep 0.2; : > ended; exit" TERM; : > ready; while :; do sleep 0.05; done';
  const line = { command: 'sh', args: ['-c', `cd "$HOME"; ${script}`] };
  const env = (ROUND: string) => ({ PATH: process.env['PATH'], HOME: home.path, ROUND });
  using supervised = new SupervisedCommand(line, undefined);
  supervised.start(env('1'));
  await until(() => existsSync(file('ready')));
  const restarted = supervised.restart(10_000, env('2'));
  process.emit('SIGHUP', 'SIGHUP');
  await restarted;
  expect(existsSync(file('ended'))).toBe(true);
  expect(await supervised.ended).toBe(5);
});

test('an empty command is one that is not there', async () => {
  using supervised = new SupervisedCommand({ command: '', args: [] }, undefined);
  supervised.start({});
  await expect(supervised.ended).rejects.toMatchObject({ code: 'command.not_found' });
});
