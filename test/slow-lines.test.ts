import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { startProcess } from '@sallyport/testkit/process';

/** Tells, when a program ends, how long it would have tried one of several addresses. */
const TELL = `data:text/javascript,${encodeURIComponent(`
import { getDefaultAutoSelectFamilyAttemptTimeout as tried } from 'node:net';
process.on('exit', () => console.error('tried for ' + tried()));`)}`;

test.each(['agent', 'cli', 'control-plane'])(
  'the program of %s tries each address of a host for as long as a slow line may take',
  async (app) => {
    const main = fileURLToPath(new URL(`../apps/${app}/src/main.ts`, import.meta.url));
    const program = startProcess({
      command: [process.execPath, '--import', TELL, main, '--version'],
    });
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toContain('tried for 2000');
  },
);
