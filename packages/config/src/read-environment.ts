import { readFileSync, statSync } from 'node:fs';
import type { Leaf } from './leaves.ts';
import type { Environment } from './load.ts';

export type Found = { leaf: Leaf; value: unknown };
export type Reading = { found: Found[]; problems: string[]; warnings: string[] };

const PREFIX = 'SALLYPORT_';

/** What the environment sets; the values are coerced to the leaf's type where that is possible. */
export function readEnvironment(
  leaves: Leaf[],
  env: Environment,
  otherVariables: readonly string[],
): Reading {
  const reading: Reading = { found: [], problems: [], warnings: [] };
  for (const leaf of leaves) readLeaf(leaf, env, reading);
  reading.problems.push(...unknownVariables(leaves, env, otherVariables));
  return reading;
}

function readLeaf(leaf: Leaf, env: Environment, { found, problems, warnings }: Reading): void {
  const text = env[leaf.variable];
  const fileVariable = `${leaf.variable}_FILE`;
  const file = leaf.isSecret ? env[fileVariable] : undefined;
  if (text !== undefined && file !== undefined) {
    problems.push(
      `${leaf.path.join('.')}: both ${leaf.variable} and ${fileVariable} are set; set one`,
    );
  } else if (file !== undefined) {
    try {
      if ((statSync(file).mode & 0o004) !== 0)
        warnings.push(`${fileVariable} names a file that everyone can read; run: chmod 600 on it`);
      found.push({ leaf, value: readFileSync(file, 'utf8').replace(/\r?\n$/, '') });
    } catch {
      problems.push(
        `${leaf.path.join('.')}: the file that ${fileVariable} names cannot be read; mount it or correct the path`,
      );
    }
  } else if (text !== undefined) {
    found.push({ leaf, value: coerce(leaf, text) });
  }
}

function coerce({ type }: Leaf, text: string): unknown {
  if (type === 'number')
    return text.trim() === '' ? text : Number.isNaN(Number(text)) ? text : Number(text);
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return type === 'list' ? text.split(',').map((item) => item.trim()) : text;
}

function unknownVariables(
  leaves: Leaf[],
  env: Environment,
  otherVariables: readonly string[],
): string[] {
  const known = new Set([
    ...leaves.flatMap((leaf) => [
      leaf.variable,
      ...(leaf.isSecret ? [`${leaf.variable}_FILE`] : []),
    ]),
    ...otherVariables,
  ]);
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] !== undefined && !known.has(name))
    .map((name) => `${name} is not a known variable; did you mean ${closest(name, [...known])}?`);
}

/** The known name with the longest common beginning. */
function closest(name: string, known: string[]): string {
  const shared = (other: string) => [...other].findIndex((letter, at) => letter !== name[at]);
  return (
    known.toSorted(
      (a, b) =>
        (shared(b) === -1 ? b.length : shared(b)) - (shared(a) === -1 ? a.length : shared(a)),
    )[0] ?? 'another'
  );
}
