import { afterAll, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { libc } from './libc.ts';

afterAll(() => expectNoLeftovers());

const why = libc() === undefined ? 'Node cannot call the C library here' : undefined;
const testWithHost = why === undefined ? test : test.skip;
const title =
  '[SG-20] the end of a child of Node is left to Node, also where it is seen before Node has seen it';

testWithHost(
  titleOrLeftOut(title, why),
  async () => {
    const script = `
import { spawn } from 'node:child_process';
import { libc } from ${JSON.stringify(import.meta.resolve('./libc.ts'))};
import { reapOrphans } from ${JSON.stringify(import.meta.resolve('./orphans.ts'))};
reapOrphans();
const child = spawn('sh', ['-c', 'exit 7']);
while (libc().endedChild() !== child.pid);
process.emit('SIGCHLD');
child.on('exit', (code) => console.log(code));
`;
    const program = startProcess({
      command: [process.execPath, '--input-type=module', '--eval', script],
    });
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout).toEqual(['7']);
  },
  20_000,
);
