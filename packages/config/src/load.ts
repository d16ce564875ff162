import { z } from 'zod';
import { readConfigFile } from './config-file.ts';
import { type FromEnvironment, readEnvironment, refuseUnknownVariables } from './environment.ts';
import { expected } from './expectation.ts';
import { Findings } from './findings.ts';
import { Secret } from './secret.ts';
import { type Setting, settingsOf, unwrap, variablesOf } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type LoadOptions = {
  /** Path of the YAML file; absent means defaults and environment only. */
  file?: string | undefined;
  env: Environment;
  programName: string;
  /**
   * `SALLYPORT_*` variables that other code or other programs read, so that they are not taken for
   * mistyped ones; a `*` at the end stands for any ending.
   */
  otherVariables?: readonly string[];
};

/** `warnings` are sentences for the log; they name keys and files, never values. */
export type LoadedConfig<Config> = { config: Config; warnings: string[] };

/**
 * The configuration cannot be used. `problems` has everything that is wrong, each naming a key, where it
 * came from and what is expected; never a value.
 */
export class ConfigError extends Error {
  readonly programName: string;
  readonly problems: readonly string[];

  constructor(programName: string, problems: readonly string[]) {
    super(`${programName} cannot use its configuration: ${problems.join('; ')}`);
    this.name = 'ConfigError';
    this.programName = programName;
    this.problems = problems;
  }
}

type Values = Record<string, unknown>;

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sections are made on the way, so that a section that must be there needs no key of its own in the file. */
function sectionAt(values: Values, path: readonly string[]): Values {
  return path.reduce((section, name) => {
    const inner = section[name];
    if (isValues(inner)) return inner;
    const made: Values = {};
    section[name] = made;
    return made;
  }, values);
}

function valueAt(values: unknown, path: ReadonlyArray<PropertyKey>): unknown {
  return path.reduce<unknown>((value, name) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    return Object.getOwnPropertyDescriptor(value, name)?.value;
  }, values);
}

/** Makes the sections that the schema demands, so that what is missing inside them is told by its own key. */
function addRequiredSections(schema: z.core.$ZodObject, values: Values): void {
  for (const [name, inner] of Object.entries(schema._zod.def.shape)) {
    const { core, optional } = unwrap(inner);
    if (!(core instanceof z.core.$ZodObject) || (optional && !isValues(values[name]))) continue;
    addRequiredSections(core, sectionAt(values, [name]));
  }
}

function missing(setting: Setting | undefined, file: string | undefined): string {
  const places = setting ? variablesOf(setting) : [];
  return `required; set ${[...places, `the key in ${file ?? 'a configuration file'}`].join(' or ')}`;
}

/** So that a secret can be read again where its file is: a schema is given its text alone. */
function nameFile(config: Values, { setting: { path }, file }: FromEnvironment): void {
  const section = sectionAt(config, path.slice(0, -1));
  const name = path.at(-1) ?? '';
  const value = section[name];
  if (file !== undefined && value instanceof Secret)
    section[name] = new Secret(value.reveal(), file);
}

/** Reads a configuration: defaults < YAML file < environment. Throws `ConfigError` with every problem at once. */
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  options: LoadOptions,
): LoadedConfig<z.output<Schema>> {
  const { file, env, programName, otherVariables = [] } = options;
  const findings = new Findings();
  const settings = settingsOf(schema);
  const origins = new Map<string, string>();
  const fromFile =
    file === undefined
      ? { values: {}, referenced: new Set<string>() }
      : readConfigFile(schema, file, env, findings);
  const values: Values = fromFile.values;
  const fromEnvironment = readEnvironment(settings, env, findings);
  for (const { setting, origin, value } of fromEnvironment) {
    const name = setting.path.at(-1) ?? '';
    sectionAt(values, setting.path.slice(0, -1))[name] = value;
    origins.set(setting.key, origin);
  }
  refuseUnknownVariables(settings, env, [...fromFile.referenced, ...otherVariables], findings);
  addRequiredSections(schema, values);

  const parsed = schema.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    if (findings.isReported(issue.path)) continue;
    const setting = settings.find(({ path }) => path.every((part, at) => issue.path[at] === part));
    const given = valueAt(values, issue.path) !== undefined;
    const origin = given ? (origins.get(setting?.key ?? '') ?? file) : undefined;
    // A default can be wrong beside what was given: a schema's own check says so in its own words.
    if (given || issue.code === 'custom') findings.problem(issue.path, origin, expected(issue));
    else findings.problem(issue.path, undefined, missing(setting, file));
  }
  if (!parsed.success || findings.problems.length > 0) {
    throw new ConfigError(programName, findings.problems);
  }
  for (const given of fromEnvironment) nameFile(parsed.data, given);
  return { config: parsed.data, warnings: findings.warnings };
}
