import { Command, CommanderError } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { VERSION } from '../version.ts';
import type { CliContext } from './context.ts';
import { reportFailure } from './report-failure.ts';

/** Runs one command line and returns its exit code. Commands are loaded when they are used: `get` must start fast. */
export async function runProgram(args: string[], context: CliContext): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = new Command('sallyport-agent')
    .description(
      'Pulls a group’s secrets and configuration from a control plane and serves them on this host.',
    )
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(`sallyport-agent: ${text.replace(/^error: /, '')}`),
    });

  withConfig(program.command('enroll'))
    .description('join a group with an enrollment token; the keys are made here')
    .requiredOption('--url <url>', 'the control plane’s agent API, https://host:port')
    .option(
      '--token-file <file>',
      'file that holds the token, - for standard input (else SALLYPORT_ENROLLMENT_TOKEN)',
    )
    .option('--fingerprint <sha256>', 'SHA-256 fingerprint of the control plane’s CA')
    .option('--ca-file <file>', 'PEM file of the control plane’s CA')
    .option('--name <name>', 'the agent’s name; by default the host’s')
    .option('--force', 'replace the identity that is there')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./enroll.ts')).enrollAgent(flags, context));

  withConfig(program.command('run'))
    .description('serve applications and follow the control plane, until SIGTERM')
    .action(async (flags) => (await import('./run.ts')).runAgent(flags, context));

  withConfig(program.command('get'))
    .description('print a secret’s value')
    .argument('<name>')
    .option('--json', 'print JSON')
    .action(async (name, flags) => (await import('./get.ts')).getSecret(name, flags, context));

  withConfig(program.command('list'))
    .description('list what applications can read, without values')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./list.ts')).listNames(flags, context));

  withConfig(program.command('status'))
    .description('tell how the agent is')
    .option('--json', 'print JSON')
    .action(async (flags) => {
      exitCode = await (await import('./status.ts')).showStatus(flags, context);
    });

  withConfig(program.command('exec'))
    .description('run a command with secrets in its environment')
    .argument('<command...>')
    .option(
      '--env <NAME=secret:name>',
      'set a variable from a secret; may be repeated',
      (value, all: string[]) => [...all, value],
      [],
    )
    .action(async (command, flags) => {
      exitCode = await (await import('./exec.ts')).execCommand(command, flags, context);
    });

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return reportFailure(error, context);
  }
}

function withConfig(command: Command): Command {
  return command
    .option('--state-dir <dir>', 'directory of identity and durable bundle')
    .option('--socket <path>', 'unix socket of the agent')
    .option('--config <file>', 'YAML configuration file');
}
