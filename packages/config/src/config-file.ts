import { z } from 'zod';
import { didYouMean } from './closest-name.ts';
import { coerceText } from './coerce.ts';
import { expandVariables, isUnset } from './expand.ts';
import type { Findings } from './findings.ts';
import type { Environment } from './load.ts';
import { exposureOf, readText } from './protected-file.ts';
import { unwrap } from './settings.ts';
import { parseYaml } from './yaml-document.ts';

type Path = ReadonlyArray<string | number>;

export type FileContent = {
  /** Values by key, with variables put in and unknown keys left out. */
  values: Record<string, unknown>;
  /** Variables that the file names. */
  referenced: ReadonlySet<string>;
};

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one configuration file against its schema. */
class FileReader {
  readonly referenced = new Set<string>();
  holdsSecrets = false;
  readonly #file: string;
  readonly #env: Environment;
  readonly #findings: Findings;

  constructor(file: string, env: Environment, findings: Findings) {
    this.#file = file;
    this.#env = env;
    this.#findings = findings;
  }

  section(schema: z.core.$ZodObject, value: unknown, path: Path): Record<string, unknown> {
    if (!isMapping(value)) {
      this.#findings.problem(path, this.#file, 'expected keys and values');
      return {};
    }
    const { shape } = schema._zod.def;
    const entries = Object.entries(value).flatMap(([name, child]) => {
      const inner = Object.hasOwn(shape, name) ? shape[name] : undefined;
      if (inner) return [[name, this.#node(inner, child, [...path, name])] as const];
      this.#findings.undeclared([...path, name]);
      const hint = didYouMean(name, Object.keys(shape));
      this.#findings.problem([...path, name], this.#file, `unknown key${hint}`);
      return [];
    });
    return Object.fromEntries(entries);
  }

  #node(schema: z.core.$ZodType, value: unknown, path: Path): unknown {
    // A key with nothing after it, as when all lines below it are commented out.
    if (value === null) return undefined;
    const { core, secret, holdsSecret } = unwrap(schema);
    if (core instanceof z.core.$ZodObject) return this.section(core, value, path);
    if (core instanceof z.core.$ZodArray && Array.isArray(value)) {
      const { element } = core._zod.def;
      return value.map((item, index) => this.#node(element, item, [...path, index]));
    }
    if (core instanceof z.core.$ZodRecord && isMapping(value)) {
      const { valueType } = core._zod.def;
      const entries = Object.entries(value);
      return Object.fromEntries(
        entries.map(([name, child]) => {
          this.#findings.undeclared([...path, name]);
          return [name, this.#node(valueType, child, [...path, name])];
        }),
      );
    }
    if (typeof value !== 'string') return value;
    return this.#text(schema, value, path, secret && holdsSecret(value));
  }

  #text(schema: z.core.$ZodType, raw: string, path: Path, secret: boolean): unknown {
    const { text, names, malformed } = expandVariables(raw, this.#env);
    for (const name of names) this.referenced.add(name);
    const unset = names.filter((name) => isUnset(this.#env, name));
    if (malformed) {
      const what = 'has ${ without a variable name and }; write $${ for a plain ${';
      this.#findings.problem(path, this.#file, what);
      return undefined;
    }
    if (unset.length > 0) {
      const what = `names ${unset.join(', ')}, which is not set; set it in the environment`;
      this.#findings.problem(path, this.#file, what);
      return undefined;
    }
    if (secret && names.length === 0) {
      this.holdsSecrets = true;
      const what =
        'a secret in plain text; move it to a variable or a file of its own, and write ${VARIABLE} here or nothing';
      this.#findings.warning(path, this.#file, what);
    }
    return names.length > 0 ? coerceText(schema, text) : text;
  }
}

/** Reads the YAML file of a configuration; what is wrong goes to `findings`. */
export function readConfigFile(
  schema: z.ZodObject,
  file: string,
  env: Environment,
  findings: Findings,
): FileContent {
  const reader = new FileReader(file, env, findings);
  const content = readText(file);
  if ('refused' in content) {
    findings.problems.push(`the configuration file ${file} ${content.refused}`);
    return { values: {}, referenced: reader.referenced };
  }
  const document = parseYaml(file, content.text, findings);
  let values = {};
  if (isMapping(document)) values = reader.section(schema, document, []);
  else if (document !== undefined) findings.problems.push(`${file}: expected keys and values`);
  const exposure = exposureOf(file, reader.holdsSecrets);
  if (exposure !== undefined) findings.warnings.push(`${file} ${exposure}`);
  return { values, referenced: reader.referenced };
}
