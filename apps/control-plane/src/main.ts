#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '@sallyport/config/load';
import { configErrorExitCode, reportConfigError } from '@sallyport/config/report';
import { allowSlowLines } from '@sallyport/tls/slow-lines';
import { resetOwner } from './operators/index.ts';
import { OTHER_PROGRAMS, serverConfig } from './platform/config.ts';
import { refuseUnheededTls } from './platform/database-connection.ts';
import { VERSION } from './platform/version.ts';
import { afterRestore } from './restore/index.ts';
import { rotateRootKey } from './root-rotation/index.ts';
import { serve } from './serve.ts';

const USAGE = `sallyport-server ${VERSION}

Usage: sallyport-server [--config FILE] [--roles operator-api,agent-api,worker]
       sallyport-server rotate-root [--config FILE]
       sallyport-server after-restore [--config FILE]
       sallyport-server reset-owner [--name NAME] [--config FILE]

Runs the control plane. rotate-root moves it to a new root key; after-restore is to be run once its database was
restored from a backup, before it runs again; reset-owner lets an owner in again who has lost the password or the
second factor, and prints a new password. Every setting is listed in docs/configuration.md.
Exit codes: 0 stopped, 1 failed to start or run, 2 configuration.`;

type Loaded = ReturnType<typeof settings>;

/** What is done in place of running the control plane. */
const commands = new Map<string, (loaded: Loaded, name?: string) => Promise<void>>([
  ['rotate-root', rotateRootKey],
  ['after-restore', afterRestore],
  ['reset-owner', resetOwner],
]);

allowSlowLines();
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      roles: { type: 'string' },
      name: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
    },
  });
  const command = commands.get(positionals.join());
  if (values.help === true) process.stdout.write(`${USAGE}\n`);
  else if (values.version === true) process.stdout.write(`${VERSION}\n`);
  else if (values.name !== undefined && command !== resetOwner)
    refuseUsage('--name goes with reset-owner');
  else if (positionals.length === 0) {
    await serve(settings(values.config, values.roles));
    // A database that has fallen silent would keep its connections open, and the process with them.
    process.exit();
  } else if (command !== undefined)
    await command(settings(values.config, values.roles), values.name);
  else refuseUsage('the commands are rotate-root, after-restore and reset-owner');
} catch (error) {
  if (error instanceof ConfigError) {
    reportConfigError(error, (text) => process.stderr.write(text));
    process.exit(configErrorExitCode);
  }
  if (isUsageError(error)) {
    // The first sentence: the next is of what Node takes for an argument.
    const [what = ''] = error.message.split('. ');
    refuseUsage(`${what.charAt(0).toLowerCase()}${what.slice(1)}`);
    process.exit();
  }
  process.stderr.write(
    `sallyport-server: ${error instanceof Error ? error.message : 'failed to start'}\n`,
  );
  process.exit(1);
}

function settings(file: string | undefined, roles: string | undefined) {
  const env = roles === undefined ? process.env : { ...process.env, SALLYPORT_ROLES: roles };
  const loaded = loadConfig(serverConfig, {
    file,
    env,
    programName: 'sallyport-server',
    otherVariables: OTHER_PROGRAMS,
  });
  refuseUnheededTls(loaded.config.database, env);
  return loaded;
}

function refuseUsage(why: string): void {
  process.stderr.write(`sallyport-server: ${why}; see --help\n`);
  process.exitCode = 2;
}

function isUsageError(error: unknown): error is TypeError {
  return (
    error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  );
}
