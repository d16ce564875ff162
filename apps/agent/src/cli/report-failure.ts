import { ConfigError } from '@sallyport/config/load';
import { usageMessage, type CommandLine } from '@sallyport/config/usage-message';
import { jsonText, printable, withoutTokens } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { LinkError } from '@sallyport/tls/https-link';
import { CommanderError } from 'commander';
import { type AgentErrorCode, faultOf, sentenceOf } from '../agent-error.ts';
import { exitCodeOf } from '../exit-codes.ts';
import type { CliContext } from './context.ts';

/** What was typed, and the program where it had to be parsed. */
type Typed = Pick<CommandLine, 'args'> & Partial<CommandLine>;

/** What `--json` tells of a failure. */
type Failure = { code: AgentErrorCode | 'config.invalid'; message: string };

/**
 * Prints why a command failed, one line for each problem and never a stack, or with `--json` exactly one JSON
 * value, and returns its exit code.
 */
export function reportFailure(
  error: unknown,
  { stderr }: Pick<CliContext, 'stderr'>,
  typed: Typed,
): number {
  if (!isTold(error)) {
    if (asksForJson(typed.args)) reportInJson(failureOf(error, typed), { stderr });
    else for (const line of linesOf(error, typed)) reportNotice(line, { stderr });
  }
  return exitCodeOf(error);
}

/** The form of the operators’ CLI. */
export function reportInJson(
  { code, message }: Failure,
  { stderr }: Pick<CliContext, 'stderr'>,
): void {
  stderr.write(`${jsonText({ error: { code, message: withoutTokens(printable(message)) } })}\n`);
}

/** Prints what a command that goes on has to say. */
export function reportNotice(line: string, { stderr }: Pick<CliContext, 'stderr'>): void {
  stderr.write(`sallyport-agent: ${withoutTokens(printable(line))}\n`);
}

/** Not from the parser: a command line that does not parse is refused in JSON too. What follows `--` is another program's. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

function linesOf(error: unknown, typed: Typed): readonly string[] {
  return error instanceof ConfigError ? error.problems : [failureOf(error, typed).message];
}

function failureOf(error: unknown, { program, args }: Typed): Failure {
  if (error instanceof ConfigError)
    return { code: 'config.invalid', message: error.problems.join('; ') };
  if (error instanceof CommanderError && program !== undefined)
    return { code: 'usage.invalid', message: usageMessage(error, { program, args }) };
  if (error instanceof LinkError || error instanceof CryptoError)
    return { code: error.code, message: error.message };
  const own = faultOf(error);
  return { code: own.code, message: sentenceOf(own) };
}

/** Help and version are no failures; a command line without a command has been answered with the help. */
function isTold(error: unknown): boolean {
  return (
    error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')
  );
}
