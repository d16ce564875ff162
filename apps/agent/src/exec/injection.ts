import { resolve } from 'node:path';
import { AgentError } from '../agent-error.ts';
import type { Wanted } from '../cli/read-together.ts';

/**
 * A secret, or a field of it, and the variable, the file or the named pipe (an absolute path) that a command has it
 * in. `lease`: the secret is lent out, and is taken for as long as the command runs.
 */
export type Injection = Wanted & { source: 'secret' | 'lease' } & (
    | { variable: string }
    | { path: string }
    | { fifo: string }
  );

const FIELD = ', with #<field> where only a field is wanted';

/** What `--env`, `--file` and `--fifo` ask for, in this order. @throws AgentError `usage.invalid` */
export function parseInjections(
  env: readonly string[],
  file: readonly string[],
  fifo: readonly string[],
): Injection[] {
  const variables = env.map(parseVariable);
  const files = file.map((text) => parsePath('--file', text));
  const fifos = fifo.map((text) => parsePath('--fifo', text));
  refuseTwice(
    '--env',
    variables.map(({ variable }) => variable),
  );
  refuseTwice(
    '--file or --fifo',
    [...files, ...fifos].map(({ path }) => path),
  );
  return [
    ...variables,
    ...files,
    ...fifos.map(({ path, ...wanted }) => ({ ...wanted, fifo: path })),
  ];
}

function refuseTwice(option: string, named: readonly string[]): void {
  const twice = named.find((name, index) => named.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new AgentError('usage.invalid', `two ${option} are for ${twice}`, {
    advice: 'name each once',
  });
}

/** `NAME=secret:db/password`, or `NAME=secret:db/login#user` for a field of it. */
function parseVariable(text: string) {
  const [, variable, source, secret, field] =
    /^([A-Za-z_][A-Za-z0-9_]*)=(secret|lease):([^#]+)(?:#(.+))?$/.exec(text) ?? [];
  if (variable !== undefined && secret !== undefined)
    return { variable, ...wanted(source, secret, field) };
  // The text is not repeated: somebody may have put a value there.
  throw new AgentError(
    'usage.invalid',
    `an --env is not of the form NAME=secret:<name of a secret>${FIELD}, or lease: in the place of secret: for one that is lent out`,
  );
}

function parsePath(option: '--file' | '--fifo', text: string) {
  const [, path, source, secret, field] =
    /^(.*[^/])=(secret|lease):([^#=]+)(?:#(.+))?$/.exec(text) ?? [];
  if (path !== undefined && secret !== undefined) {
    if (option === '--fifo' && source === 'lease') throw unpiped();
    return { path: resolve(path), ...wanted(source, secret, field) };
  }
  throw new AgentError(
    'usage.invalid',
    `a ${option} is not of the form PATH=secret:<name of a secret>${FIELD}`,
  );
}

/** A pipe gives its value whenever somebody opens it, also when the lease is over. */
function unpiped(): AgentError {
  return new AgentError('usage.invalid', 'a secret that is lent out cannot go into a --fifo', {
    advice: 'give it with --env or --file',
  });
}

/** @throws AgentError `usage.invalid` for a field of a lease, which brings its value as a whole */
function wanted(source: string | undefined, secret: string, field: string | undefined) {
  if (source !== 'lease') return { source: 'secret' as const, secret, field };
  if (field === undefined) return { source: 'lease' as const, secret, field };
  throw new AgentError('usage.invalid', 'a secret that is lent out has no fields', {
    advice: 'take it whole, without #',
  });
}

/** The variables that a command gets. @throws AgentError `usage.invalid` for a value that no variable can hold */
export function variablesOf(
  injections: readonly Injection[],
  values: readonly string[],
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, injection] of injections.entries()) {
    const value = values[index] ?? '';
    if (!('variable' in injection)) continue;
    if (value.includes('\0')) throw holdsNul(injection);
    variables[injection.variable] = value;
  }
  return variables;
}

function holdsNul({ secret, variable }: { secret: string; variable: string }): AgentError {
  return new AgentError(
    'usage.invalid',
    `the secret ${secret} holds a NUL, which ${variable} cannot`,
    { advice: 'give it as a file, with --file' },
  );
}
