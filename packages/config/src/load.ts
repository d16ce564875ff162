import type { z } from 'zod';
import { leavesOf } from './leaves.ts';
import { readEnvironment } from './read-environment.ts';
import { readConfigFile } from './read-file.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type LoadOptions = {
  /** Path of the YAML file; absent means defaults and environment only. */
  file?: string | undefined;
  env: Environment;
  programName: string;
  /** `SALLYPORT_*` variables that the program reads elsewhere, so that they are not taken for typos. */
  otherVariables?: readonly string[];
};

export type LoadedConfig<Config> = { config: Config; warnings: string[] };

/** The configuration cannot be used. `problems` has all of them, each naming a key, its source and what is expected, never a value. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(programName: string, problems: readonly string[]) {
    super(`${programName} cannot use its configuration: ${problems.join('; ')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Reads a configuration: defaults < YAML file < environment. Throws `ConfigError` with every problem at once. */
export function loadConfig<Schema extends z.ZodObject>(schema: Schema, options: LoadOptions): LoadedConfig<z.output<Schema>> {
  const leaves = leavesOf(schema);
  const file = options.file === undefined ? undefined : readConfigFile(options.file, leaves, options.env);
  const environment = readEnvironment(leaves, options.env, options.otherVariables ?? []);
  const input: Record<string, unknown> = structuredClone(file?.content ?? {});
  for (const { leaf, value } of environment.found) setAt(input, leaf.path, value);
  const problems = [...(file?.problems ?? []), ...environment.problems];
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    const variables = new Map(environment.found.map(({ leaf }) => [leaf.path.join('.'), leaf.variable]));
    problems.push(...parsed.error.issues.flatMap((issue) => describe(issue, variables, options.file)));
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(options.programName, problems);
  return { config: parsed.data, warnings: [...(file?.warnings ?? []), ...environment.warnings] };
}

function setAt(target: Record<string, unknown>, path: string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const child = target[key];
  const next: Record<string, unknown> = typeof child === 'object' && child !== null ? Object.fromEntries(Object.entries(child)) : {};
  target[key] = next;
  setAt(next, rest, value);
}

/** Names key and source, and what is expected; zod's own messages say no more than types and bounds. */
function describe(issue: z.core.$ZodIssue, variables: ReadonlyMap<string, string>, file: string | undefined): string[] {
  const at = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${at === '' ? key : `${at}.${key}`} (${file ?? 'configuration'}): not a known key`);
  }
  const source = [...variables].find(([path]) => at === path || at.startsWith(`${path}.`))?.[1] ?? file ?? 'not set';
  return [`${at} (${source}): ${issue.message}`];
}
