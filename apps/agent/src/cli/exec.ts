import { AgentError } from '../agent-error.ts';
import { readAgentConfig, TOKEN_VARIABLE, type ConfigFlags } from '../config.ts';
import { secretReply } from '../local-api/replies.ts';
import { runChild } from './child.ts';
import type { CliContext } from './context.ts';
import { LocalClient, secretPath } from './local-client.ts';

type Injection = { variable: string; secret: string; field: string | undefined };

/** How often secrets are read that come from different revisions. */
const MAX_ATTEMPTS = 5;

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
  return runChild(command, args, {
    ...withoutCredentials(context.env),
    ...(await readTogether(injections, client)),
  });
}

/** The values of one revision: a user name of the old one and a password of the new one would not fit. */
async function readTogether(
  injections: readonly Injection[],
  client: LocalClient,
): Promise<Record<string, string>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const read = await Promise.all(injections.map((injection) => readOne(injection, client)));
    if (new Set(read.map(({ revision }) => revision)).size <= 1)
      return Object.fromEntries(read.map(({ variable, value }) => [variable, value]));
  }
  throw new AgentError(
    'agent.not_ready',
    `the secrets changed each of the ${MAX_ATTEMPTS} times that they were read`,
    { advice: 'try again once the group is at rest' },
  );
}

/** `NAME=secret:db/password`, or `NAME=secret:db/login#user` for a field of it. */
function parseInjection(text: string): Injection {
  const [, variable, secret, field] =
    /^([A-Za-z_][A-Za-z0-9_]*)=secret:([^#]+)(?:#(.+))?$/.exec(text) ?? [];
  if (variable !== undefined && secret !== undefined) return { variable, secret, field };
  // The text is not repeated: somebody may have put a value there.
  throw new AgentError(
    'usage.invalid',
    'an --env is not of the form NAME=secret:<name of a secret>, with #<field> where only a field is wanted',
  );
}

async function readOne({ variable, secret, field }: Injection, client: LocalClient) {
  const { value, revision } = await client
    .read(secretPath(secret, field), secretReply)
    .catch((error: unknown) => {
      throw error instanceof AgentError && error.code.endsWith('not_found')
        ? named(error, secret)
        : error;
    });
  if (!value.includes('\0')) return { variable, value, revision };
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
