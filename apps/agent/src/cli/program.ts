import { completionScript, shells, type Shell } from '@sallyport/config/completion';
import { Argument, Command } from 'commander';
import type { ConfigFlags } from '../config.ts';
import { exitCodes } from '../exit-codes.ts';
import { VERSION } from '../version.ts';
import { addBundle } from './bundle-commands.ts';
import type { CliContext } from './context.ts';
import type { DevFlags } from './dev.ts';
import type { EnrollFlags } from './enroll.ts';
import type { ExecFlags } from './exec.ts';
import type { GetFlags } from './get.ts';
import type { LeaseFlags } from './lease.ts';
import { addCommand } from './options.ts';
import type { RenderFlags } from './render.ts';
import { reportFailure } from './report-failure.ts';
import type { ScanFlags } from './scan.ts';

type PrintFlags = ConfigFlags & { json?: boolean };

/** Runs one command line and returns its exit code. Commands are loaded when they are used: `get` must start fast. */
export async function runProgram(args: string[], context: CliContext): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const endWith = (code: number) => {
    exitCode = code;
  };
  const program = createProgram(context, endWith);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportFailure(error, context, { program, args });
  }
}

/** The whole command line, ready to parse; `endWith` takes the exit code of what has not failed. */
export function createProgram(context: CliContext, endWith: (code: number) => void): Command {
  const program = emptyProgram(context);
  addEnroll(program, context);
  addRun(program, context);
  addReaders(program, context, endWith);
  addLease(program, context);
  addExec(program, context, endWith);
  addRender(program, context);
  addLink(program, context, endWith);
  addDoctor(program, context, endWith);
  addConfig(program, context, endWith);
  addScan(program, context, endWith);
  addDev(program, context, endWith);
  addCompletion(program, context);
  addBundle(program, context);
  return program;
}

function emptyProgram({ stdout, stderr }: CliContext): Command {
  return new Command('sallyport-agent')
    .description(
      'Pulls a group’s secrets and configuration from a control plane and serves them on this host.',
    )
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // Told by `reportFailure`: the parser's words repeat what was typed, which may be a secret.
      outputError: () => {},
    });
}

function addEnroll(program: Command, context: CliContext): void {
  addCommand(program, 'enroll')
    .description('join a group with an enrollment token; the keys are made here')
    .option('--url <url>', 'the control plane’s agent API, https://host:port')
    .option('--listen', 'wait at listen.address for the control plane to connect')
    .option('--wait <seconds>', 'how long --listen waits', '600')
    .option(
      '--token-file <file>',
      'file that holds the token, - for standard input (else SALLYPORT_ENROLLMENT_TOKEN)',
    )
    .option('--fingerprint <sha256>', 'SHA-256 fingerprint of the control plane’s CA')
    .option(
      '--ca-file <file>',
      'PEM file of the control plane’s CA; with neither, a CA that this host trusts',
    )
    .option('--name <name>', 'the agent’s name; by default the host’s')
    .option('--force', 'replace the identity that is there')
    .option('--json', 'print JSON')
    .action(async (flags: EnrollFlags) => {
      if (flags.listen === true)
        await (await import('./enroll-listening.ts')).enrollListening(flags, context);
      else await (await import('./enroll.ts')).enrollAgent(flags, context);
    });
}

function addRun(program: Command, context: CliContext): void {
  addCommand(program, 'run')
    .description('serve applications and follow the control plane, until SIGTERM')
    .action(async (flags: ConfigFlags) => (await import('./run.ts')).runAgent(flags, context));
}

function addReaders(program: Command, context: CliContext, endWith: (code: number) => void): void {
  addCommand(program, 'get')
    .description('print a secret’s value, or a certificate with its key')
    .argument('<name>')
    .option(
      '--certificate',
      'the name is a certificate’s: print its private key, then its chain, in PEM',
    )
    .option('--field <name>', 'one member of a secret that is JSON, or a /json/pointer')
    .option('--json', 'print JSON')
    .action(async (name: string, flags: GetFlags & { certificate?: boolean }) => {
      const { getCertificate, getSecret } = await import('./get.ts');
      await (flags.certificate === true ? getCertificate : getSecret)(name, flags, context);
    });
  addCommand(program, 'list')
    .description('list what applications can read, without values')
    .option('--json', 'print JSON')
    .action(async (flags: PrintFlags) => (await import('./list.ts')).listNames(flags, context));
  addCommand(program, 'status')
    .description('tell how the agent is')
    .option('--json', 'print JSON')
    .action(async (flags: PrintFlags) =>
      endWith(await (await import('./status.ts')).showStatus(flags, context)),
    );
}

function addLease(program: Command, context: CliContext): void {
  const leases = program.command('lease').description('secrets that are lent out for a time');
  const ttl = [
    '--ttl <seconds>',
    'for so long, or less where the secret’s policy says so',
  ] as const;
  addCommand(leases, 'take')
    .description('take a lease of a secret, and print its value')
    .argument('<name>')
    .option(...ttl)
    .option('--json', 'print JSON')
    .action(async (name: string, flags: LeaseFlags) =>
      (await import('./lease.ts')).takeLease(name, flags, context),
    );
  addCommand(leases, 'read')
    .description('print the value of a lease again')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, flags: LeaseFlags) =>
      (await import('./lease.ts')).readLease(id, flags, context),
    );
  addCommand(leases, 'renew')
    .description('have a lease last longer')
    .argument('<id>')
    .option(...ttl)
    .option('--json', 'print JSON')
    .action(async (id: string, flags: LeaseFlags) =>
      (await import('./lease.ts')).renewLease(id, flags, context),
    );
  addCommand(leases, 'return')
    .description('end a lease: the agent forgets its value')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, flags: LeaseFlags) =>
      (await import('./lease.ts')).returnLease(id, flags, context),
    );
}

function addExec(program: Command, context: CliContext, endWith: (code: number) => void): void {
  const collect = (value: string, all: string[]) => [...all, value];
  addCommand(program, 'exec')
    .description(
      'run a command with secrets in its environment or in files; where its output is no terminal, they are masked in it',
    )
    .argument('<command...>')
    .option(
      '--env <NAME=secret:name>',
      'set a variable from a secret, from a field of it as secret:name#field, or from one that is lent out as lease:name; may be repeated',
      collect,
      [],
    )
    .option(
      '--file <PATH=secret:name>',
      'write a secret, or a field of it, to a file that is there while the command runs; may be repeated',
      collect,
      [],
    )
    .option(
      '--fifo <PATH=secret:name>',
      'the same as a named pipe, which gives the value to whoever opens it; may be repeated',
      collect,
      [],
    )
    .option(
      '--on-change <what>',
      'when a value changes: restart, signal:<name of a signal>, or ignore',
      'ignore',
    )
    .option('--debounce <seconds>', 'act once nothing has changed for so long', '1')
    .option('--splay <seconds>', 'wait for a random part of it before', '0')
    .option('--grace <seconds>', 'a restart kills a command that is still there then', '10')
    .option('--no-mask', 'pass what the command writes on as it is')
    .action(async (command: string[], flags: ExecFlags) =>
      endWith(await (await import('./exec.ts')).execCommand(command, flags, context)),
    );
}

function addRender(program: Command, context: CliContext): void {
  addCommand(program, 'render')
    .description(
      'write a Liquid template with secrets and configurations to a file, and run a command when that has changed',
    )
    .argument('[command...]', 'after --, what has to know of a changed file')
    .requiredOption(
      '--template <file>',
      'the template; {{ "name" | secret }} and {{ "name" | config }} take values',
    )
    .requiredOption('--output <file>', 'where it is written, as a whole or not at all')
    .option('--owner <user>', 'whom the file belongs to, by name or number')
    .option('--group <group>', 'the file’s group, by name or number')
    .option('--mode <mode>', 'the file’s mode', '0600')
    .option('--backup', 'keep the file before as <file>.bak')
    .option('--once', 'write it once, which is the default')
    .option('--watch', 'stay, and write it at each change of a value')
    .option('--debounce <seconds>', 'with --watch, act once nothing has changed for so long', '1')
    .option('--splay <seconds>', 'with --watch, wait for a random part of it before', '0')
    .option('--command-timeout <seconds>', 'the command is killed then', '30')
    .action(async (command: string[], flags: RenderFlags) =>
      (await import('./render.ts')).renderCommand(command, flags, context),
    );
}

function addLink(program: Command, context: CliContext, endWith: (code: number) => void): void {
  const link = program.command('link').description('look at the link to the control plane');
  addCommand(link, 'verify')
    .description('connect as the daemon does, and show what was agreed on and what would fail')
    .option('--json', 'print JSON')
    .action(async (flags: PrintFlags) =>
      endWith(await (await import('./link-verify.ts')).showLink(flags, context)),
    );
}

function addDoctor(program: Command, context: CliContext, endWith: (code: number) => void): void {
  addCommand(program, 'doctor')
    .description('check everything that this agent needs; changes nothing')
    .option('--json', 'print JSON')
    .action(async (flags: PrintFlags) =>
      endWith(await (await import('./doctor.ts')).showDoctor(flags, context)),
    );
}

function addConfig(program: Command, context: CliContext, endWith: (code: number) => void): void {
  const config = program.command('config').description('look at the configuration');
  addCommand(config, 'check')
    .description('tell whether the daemon would take it, and without a warning; starts nothing')
    .option('--json', 'print JSON')
    .action(async (flags: PrintFlags) =>
      endWith((await import('./configuration.ts')).checkConfig(flags, context)),
    );
  config
    .command('reference')
    .description('print every key that can be set, with its variable and default')
    .option('--json', 'print JSON')
    .action(async (flags: { json?: boolean }) =>
      (await import('./configuration.ts')).printReference(flags, context),
    );
}

function addScan(program: Command, context: CliContext, endWith: (code: number) => void): void {
  program
    .command('scan')
    .description('find what looks like a secret in files, and tell what to put in its place')
    .argument('[path]', 'a directory, or one file', '.')
    .option('--app <name>', 'what proposed names begin with; by default the directory’s name')
    .option('--json', 'print JSON')
    .action(async (path: string, flags: ScanFlags) =>
      endWith(await (await import('./scan.ts')).scanTree(path, flags, context)),
    );
}

function addDev(program: Command, context: CliContext, endWith: (code: number) => void): void {
  program
    .command('dev')
    .description('serve the values of a file in plain text, for tests and development')
    .argument('[command...]', 'after --, what is run beside it, and what it ends with')
    .requiredOption('--values <file>', 'YAML file of secrets, config and certificates')
    .option('--socket <path>', 'where it serves; by default in a directory of its own')
    .action(async (command: string[], flags: DevFlags) =>
      endWith(await (await import('./dev.ts')).developWith(command, flags, context)),
    );
}

function addCompletion(program: Command, { stdout }: CliContext): void {
  program
    .command('completion')
    .description('print the script that teaches a shell these commands')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: Shell) => void stdout.write(completionScript(shell, program)));
}
