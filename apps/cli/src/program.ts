import { usageMessage } from '@sallyport/config/usage-message';
import { printable, withoutTokens, type ProblemIssue } from '@sallyport/contract';
import { LinkError } from '@sallyport/tls/https-link';
import { Command, CommanderError, type Option } from 'commander';
import { ApiError, CliError } from './cli-error.ts';
import { addAgentTokenCommands } from './commands/agent-token.ts';
import { addAgentCommands } from './commands/agent.ts';
import { addApiKeyCommands } from './commands/api-key.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addBanCommands } from './commands/ban.ts';
import { addBundleCommands } from './commands/bundle.ts';
import { addCertificateAuthorityCommands } from './commands/certificate-authority.ts';
import { addCertificateCommands } from './commands/certificate.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addGroupCommands } from './commands/group.ts';
import { addKeyringCommands } from './commands/keyring.ts';
import { addLeaseCommands } from './commands/lease.ts';
import { addLinkCommands } from './commands/link.ts';
import { addOperatorCommands } from './commands/operator.ts';
import { addOwnCredentialsCommands } from './commands/own-credentials.ts';
import { addOwnSessionsCommands } from './commands/own-sessions.ts';
import { addPluginTypeCommands } from './commands/plugin-type.ts';
import { addPluginCommands } from './commands/plugin.ts';
import { addRoleCommands } from './commands/role.ts';
import { addSecretCommands } from './commands/secret.ts';
import { addSessionCommands } from './commands/session.ts';
import { addTokenCommands } from './commands/token.ts';
import type { Context } from './context.ts';
import { exitCodeOf } from './exit-codes.ts';
import { withWayOut } from './not-found.ts';
import { optionName } from './usage.ts';
import { VERSION } from './version.ts';

const JSON_OPTION = ['--json', 'print exactly one JSON value'] as const;

/** The whole command line, ready to parse. */
export function createProgram(context: Context): Command {
  const { terminal } = context;
  const program = new Command('sallyport')
    .description('Manage a Sallyport control plane.')
    .version(VERSION)
    .option(...JSON_OPTION)
    // So that `secret reveal --version 3` is not the version of the program.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      // Told by `run`, in the same form as every other refusal.
      outputError: () => {},
    });
  addSessionCommands(program, context);
  addOwnSessionsCommands(program, context);
  addOwnCredentialsCommands(program, context);
  addOperatorCommands(program, context);
  addRoleCommands(program, context);
  addApiKeyCommands(program, context);
  addGroupCommands(program, context);
  addKeyringCommands(program, context);
  addTokenCommands(program, context);
  addAgentCommands(program, context);
  addAgentTokenCommands(program, context);
  addLinkCommands(program, context);
  addBanCommands(program, context);
  addSecretCommands(program, context);
  addLeaseCommands(program, context);
  addBundleCommands(program, context);
  addPluginTypeCommands(program, context);
  addPluginCommands(program, context);
  addCertificateCommands(program, context);
  addCertificateAuthorityCommands(program, context);
  addAuditCommands(program, context);
  addCompletionCommand(program, context);
  for (const leaf of leavesOf(program)) leaf.option(...JSON_OPTION);
  return program;
}

/** Runs one command line (without the program's name) and returns its exit code. Never throws. */
export async function run(args: readonly string[], context: Context): Promise<number> {
  // Not from the parser: a command line that does not parse is refused in JSON too.
  context.output.json = args.includes('--json');
  const program = createProgram(context);
  let options: readonly Option[] = [];
  program.hook('preAction', (_, acting) => {
    ({ options } = acting);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    const exitCode = exitCodeOf(error);
    if (!(error instanceof CommanderError)) tell(context, error, options);
    // Help and version are told already.
    else if (exitCode !== 0 && error.code !== 'commander.help')
      tell(context, new CliError('usage.invalid', usageMessage(error, { program, args })));
    return exitCode;
  }
}

/** The commands that do something, as opposed to those that hold others. */
export function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

/** What `--json` tells of a failure; `issues` are of the request that was refused. */
type Failure = {
  code: string;
  message: string;
  requestId?: string;
  issues?: readonly ProblemIssue[];
};

function tell({ output }: Context, error: unknown, options: readonly Option[] = []): void {
  const told = failureOf(error);
  const failure = { ...told, message: withoutTokens(told.message) };
  const { code, message, requestId, issues = [] } = failure;
  const reasons = issues
    .filter((issue) => issue.message !== message)
    .map((issue) => `${calledAs(issue, options)}: ${issue.message}`)
    .join('; ');
  // That it is not valid says less than what of it.
  const what = code === 'request.invalid' && reasons !== '' ? '' : message;
  const origin = requestId === undefined ? code : `${code}, request ${requestId}`;
  output.failure(printable([what, reasons, `(${origin})`].filter(Boolean).join(' ')), failure);
}

/** With this program's own way out. */
function inFull({ code, message }: LinkError): string {
  if (code !== 'tls.unknown_ca') return message;
  const way = 'sallyport login --url https://… --fingerprint SHA256:…';
  return `${message.replace(/\.$/, '')}: ${way}, as the control plane prints them at its start`;
}

/** The option of the command that a field of its request comes from; the field where it has none. */
function calledAs({ field }: ProblemIssue, options: readonly Option[]): string {
  const bare = field.replace(/^body\./, '');
  const name = optionName(bare.split('.'));
  return options.some(({ long }) => long === name) ? name : bare;
}

function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) {
    const { code, requestId, issues } = error;
    return { code, message: withWayOut(error), requestId, issues };
  }
  if (error instanceof CliError) return { code: error.code, message: error.message };
  if (error instanceof LinkError) return { code: error.code, message: inFull(error) };
  const message = 'sallyport met a defect of its own; report the command that shows it';
  return { code: 'cli.internal', message };
}
