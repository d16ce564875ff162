import { resolve } from 'node:path';
import { AgentError } from '../agent-error.ts';
import type { Wanted } from '../cli/read-together.ts';

/** A secret, or a field of it, and the variable or the file (an absolute path) that a command has it in. */
export type Injection = Wanted & ({ variable: string } | { path: string });

const FIELD = ', with #<field> where only a field is wanted';

/** What `--env` and `--file` ask for, variables first. @throws AgentError `usage.invalid` */
export function parseInjections(env: readonly string[], file: readonly string[]): Injection[] {
  const files = file.map(parseFile);
  const paths = files.map(({ path }) => path);
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined)
    throw new AgentError('usage.invalid', `two --file are for ${twice}`, {
      advice: 'name each file once',
    });
  return [...env.map(parseVariable), ...files];
}

/** `NAME=secret:db/password`, or `NAME=secret:db/login#user` for a field of it. */
function parseVariable(text: string) {
  const [, variable, secret, field] =
    /^([A-Za-z_][A-Za-z0-9_]*)=secret:([^#]+)(?:#(.+))?$/.exec(text) ?? [];
  if (variable !== undefined && secret !== undefined) return { variable, secret, field };
  // The text is not repeated: somebody may have put a value there.
  throw new AgentError(
    'usage.invalid',
    `an --env is not of the form NAME=secret:<name of a secret>${FIELD}`,
  );
}

function parseFile(text: string) {
  const [, path, secret, field] = /^(.*[^/])=secret:([^#=]+)(?:#(.+))?$/.exec(text) ?? [];
  if (path !== undefined && secret !== undefined) return { path: resolve(path), secret, field };
  throw new AgentError(
    'usage.invalid',
    `a --file is not of the form PATH=secret:<name of a secret>${FIELD}`,
  );
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
