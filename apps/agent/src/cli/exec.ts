import { AgentError } from '../agent-error.ts';
import { readAgentConfig, TOKEN_VARIABLE, type ConfigFlags } from '../config.ts';
import { runChild } from './child.ts';
import type { CliContext } from './context.ts';
import { LocalClient, secretPath, secretReply } from './local-client.ts';

type Injection = { variable: string; secret: string };

/**
 * `exec`: runs a command with secrets in its environment. It starts with all of them or not at all.
 * Returns the exit code of the command.
 */
export async function execCommand(
  [command = '', ...args]: string[],
  flags: ConfigFlags & { env: string[] },
  context: CliContext,
): Promise<number> {
  const injections = flags.env.map(parseInjection);
  const client = new LocalClient(readAgentConfig(flags, context.env).config.socket);
  const values = await Promise.all(
    injections.map(
      async (injection) => [injection.variable, await valueOf(injection, client)] as const,
    ),
  );
  return runChild(command, args, {
    ...withoutCredentials(context.env),
    ...Object.fromEntries(values),
  });
}

/** `NAME=secret:db/password`. */
function parseInjection(text: string): Injection {
  const [, variable, secret] = /^([A-Za-z_][A-Za-z0-9_]*)=secret:(.+)$/.exec(text) ?? [];
  if (variable !== undefined && secret !== undefined) return { variable, secret };
  // The text is not repeated: somebody may have put a value there.
  throw new AgentError(
    'usage.invalid',
    'an --env is not of the form NAME=secret:<name of a secret>',
  );
}

async function valueOf({ variable, secret }: Injection, client: LocalClient): Promise<string> {
  const { value } = await client.read(secretPath(secret), secretReply).catch((error: unknown) => {
    throw error instanceof AgentError && error.code.endsWith('not_found')
      ? named(error, secret)
      : error;
  });
  if (!value.includes('\0')) return value;
  throw new AgentError(
    'usage.invalid',
    `the secret ${secret} holds a NUL, which ${variable} cannot`,
    { advice: 'read it with: sallyport-agent get' },
  );
}

function named(error: AgentError, secret: string): AgentError {
  return new AgentError(error.code, `${secret}: ${error.message}`, { cause: error });
}

function withoutCredentials(env: CliContext['env']): CliContext['env'] {
  const { [TOKEN_VARIABLE]: _token, ...rest } = env;
  return rest;
}
