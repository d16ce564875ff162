import type { Environment } from './load.ts';

export type Expansion = {
  text: string;
  /** The variables that the text names; an unset one leaves nothing in `text`. */
  names: string[];
  /** There is a `${` that begins no `${NAME}`. */
  malformed: boolean;
};

/** An empty variable counts as unset: Compose and CI systems pass empty ones for those that nobody set. */
export function valueOf(env: Environment, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name];
}

export function isUnset(env: Environment, name: string): boolean {
  return valueOf(env, name) === undefined;
}

/** Puts variables in for `${NAME}`; `$${` stands for a plain `${`. What is put in is not expanded again. */
export function expandVariables(raw: string, env: Environment): Expansion {
  const names: string[] = [];
  let malformed = false;
  const text = raw.replaceAll(/\$(\$\{)|\$\{(?:([A-Za-z_]\w*)\})?/g, (_match, escaped, name) => {
    if (typeof escaped === 'string') return escaped;
    if (typeof name !== 'string') {
      malformed = true;
      return '';
    }
    names.push(name);
    return env[name] ?? '';
  });
  return { text, names, malformed };
}
