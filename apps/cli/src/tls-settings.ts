import { ConfigError, loadConfig, type Environment } from '@sallyport/config/load';
import type { TlsPolicy } from '@sallyport/tls/policy';
import { tlsSettings } from '@sallyport/tls/settings';
import { z } from 'zod';
import { CliError } from './cli-error.ts';

const VARIABLES = 'SALLYPORT_TLS';

/** What can be set of the link to the control plane; the CLI has no configuration file. */
export const cliSettings = z.strictObject({
  tls: tlsSettings('Link to the control plane', VARIABLES).prefault({}),
});

/** @throws CliError `usage.invalid`, which names each variable that cannot be used, or that nothing reads */
export function readTlsPolicy(variables: Environment): TlsPolicy {
  const env = Object.fromEntries(
    Object.entries(variables).filter(([name]) => name.startsWith(`${VARIABLES}_`)),
  );
  try {
    return loadConfig(cliSettings, { env, programName: 'sallyport' }).config.tls;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CliError('usage.invalid', error.problems.join('; '));
  }
}
