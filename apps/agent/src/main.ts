#!/usr/bin/env node
import { systemContext } from './cli/context.ts';
import { runProgram } from './cli/program.ts';
import { reportFailure } from './cli/report-failure.ts';

const context = systemContext();
process.on('uncaughtException', (error) => process.exit(reportFailure(error, context)));
process.exitCode = await runProgram(process.argv.slice(2), context);
