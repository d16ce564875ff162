#!/usr/bin/env node
import { allowSlowLines } from '@sallyport/tls/slow-lines';
import { run } from './program.ts';
import { systemContext } from './system-context.ts';
import { codeBehind, codeOf } from './system-error.ts';

const { stdout, stderr } = process;

// What cannot be told on a full disk still has its exit code.
stderr.on('error', () => {});
stdout.on('error', (error) => {
  // The reader of a pipe may leave early, as `head` does.
  if (codeOf(error) === 'EPIPE') process.exit();
  stderr.write(`sallyport: standard output cannot be written${codeBehind(error)}\n`);
  process.exit(1);
});

allowSlowLines();
process.exitCode = await run(process.argv.slice(2), systemContext());
