import { hostname } from 'node:os';
import type { Environment } from '@sallyport/config/load';
import { settingsOf } from '@sallyport/config/settings';
import { agentConfig, TOKEN_VARIABLE } from '../config.ts';

/** What a command needs of the process it runs in. */
export type CliContext = {
  env: Environment;
  hostname: string;
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  stdout: { write(data: string | Uint8Array): unknown; isTTY?: boolean };
  stderr: { write(text: string): unknown; isTTY?: boolean };
};

export function systemContext(): CliContext {
  const { env, stdin, stdout, stderr } = process;
  return { env, hostname: hostname(), stdin, stdout, stderr };
}

/** The environment that a command gets: without what this program alone is given. */
export function withoutCredentials(env: Environment): Environment {
  const secrets = settingsOf(agentConfig).filter(({ secret }) => secret);
  const own = new Set([TOKEN_VARIABLE, ...secrets.map(({ variable }) => variable)]);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.has(name)));
}
