import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const LINES = 5_000;

/** More than a pipe and what waits behind it hold; and when it is told to, a line now and then. */
const program = (log: string) => `
import { createLog } from '${log}';
const log = createLog('info');
for (let line = 0; line < ${LINES}; line += 1) log.info({}, 'x'.repeat(100));
process.stdin.once('data', () => setInterval(() => log.info({}, 'y'.repeat(100)), 5));
process.stdout.write('said');`;

test.each([
  ['agent', '../apps/agent/src/log.ts'],
  ['control plane', '../apps/control-plane/src/platform/log.ts'],
])(
  '[AT-42] the log of the %s, unread for a while, goes on once it is read, and tells how many lines are missing',
  async (_, path) => {
    const log = fileURLToPath(new URL(path, import.meta.url));
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program(log)]);
    const ended = once(child, 'close');
    let read = 0;
    let missing = 0;
    try {
      await once(child.stdout, 'data');
      child.stdin.write('go');
      for await (const line of createInterface(child.stderr)) {
        const { msg, count } = JSON.parse(line);
        if (String(msg).startsWith('x')) read += 1;
        if (String(msg).startsWith('lines of this log were dropped')) missing += Number(count);
        if (missing > 0 && String(msg).startsWith('y')) break;
      }
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    expect(read).toBeLessThan(LINES);
    expect(read + missing).toBeGreaterThanOrEqual(LINES);
  },
);
