#!/usr/bin/env node
import './host/small-heap.ts';
import { allowSlowLines } from '@sallyport/tls/slow-lines';
import { systemContext } from './cli/context.ts';
import { runProgram } from './cli/program.ts';
import { reportFailure } from './cli/report-failure.ts';
import { outputLost } from './exec/own-output.ts';
import { exitCodes } from './exit-codes.ts';
import { reapOrphans } from './host/orphans.ts';
import { codeOf } from './state/system-error.ts';

const context = systemContext();
const args = process.argv.slice(2);
process.on('uncaughtException', (error) => process.exit(reportFailure(error, context, { args })));
// What cannot be told on a full disk still has its exit code.
process.stderr.on('error', () => {});
process.stdout.on('error', (error) => {
  // The reader of a pipe may leave early, as `head` does.
  if (codeOf(error) === 'EPIPE') process.exit(exitCodes.ok);
  process.exit(reportFailure(outputLost(error), context, { args }));
});

allowSlowLines();
if (process.pid === 1) reapOrphans();

// Whatever ends this process before its command has ended is no success.
process.exitCode = exitCodes.error;
// Without `await`, which the single executable, a CommonJS file, has not at its top level.
void runProgram(args, context).then((code) => {
  process.exitCode = code;
});
