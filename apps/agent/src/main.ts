#!/usr/bin/env node
import { systemContext } from './cli/context.ts';
import { runProgram } from './cli/program.ts';
import { reportFailure } from './cli/report-failure.ts';
import { outputLost } from './exec/own-output.ts';
import { exitCodes } from './exit-codes.ts';
import { codeOf } from './state/system-error.ts';

const context = systemContext();
process.on('uncaughtException', (error) => process.exit(reportFailure(error, context)));
// What cannot be told on a full disk still has its exit code.
process.stderr.on('error', () => {});
process.stdout.on('error', (error) => {
  // The reader of a pipe may leave early, as `head` does.
  if (codeOf(error) === 'EPIPE') process.exit(exitCodes.ok);
  process.exit(reportFailure(outputLost(error), context));
});
process.exitCode = await runProgram(process.argv.slice(2), context);
