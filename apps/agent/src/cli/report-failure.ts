import { ConfigError } from '@sallyport/config/load';
import { usageMessage, type CommandLine } from '@sallyport/config/usage-message';
import { printable, withoutTokens } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { LinkError } from '@sallyport/tls/https-link';
import { CommanderError } from 'commander';
import { AgentError, internalError, sentenceOf } from '../agent-error.ts';
import { exitCodeOf } from '../exit-codes.ts';
import type { CliContext } from './context.ts';

/** Prints why a command failed, one line for each problem and never a stack, and returns its exit code. */
export function reportFailure(
  error: unknown,
  { stderr }: Pick<CliContext, 'stderr'>,
  typed?: CommandLine,
): number {
  for (const line of linesOf(error, typed)) reportNotice(line, { stderr });
  return exitCodeOf(error);
}

/** Prints what a command that goes on has to say. */
export function reportNotice(line: string, { stderr }: Pick<CliContext, 'stderr'>): void {
  stderr.write(`sallyport-agent: ${withoutTokens(printable(line))}\n`);
}

function linesOf(error: unknown, typed: CommandLine | undefined): readonly string[] {
  if (error instanceof ConfigError) return error.problems;
  if (error instanceof CommanderError && typed !== undefined)
    return isTold(error) ? [] : [usageMessage(error, typed)];
  if (error instanceof AgentError) return [sentenceOf(error)];
  if (error instanceof LinkError || error instanceof CryptoError) return [error.message];
  return [sentenceOf(internalError(error))];
}

/** Help and version are no failures; a command line without a command has been answered with the help. */
function isTold({ code, exitCode }: CommanderError): boolean {
  return exitCode === 0 || code === 'commander.help';
}
