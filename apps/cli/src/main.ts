#!/usr/bin/env node
import { run } from './program.ts';
import { systemContext } from './system-context.ts';

const { stdout, stderr } = process;

// What cannot be told on a full disk still has its exit code.
stderr.on('error', () => {});
stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe may leave early, as `head` does.
  if (error.code === 'EPIPE') process.exit();
  stderr.write(
    `sallyport: standard output cannot be written (${error.code ?? 'unknown reason'})\n`,
  );
  process.exit(1);
});

process.exitCode = await run(process.argv.slice(2), systemContext());
