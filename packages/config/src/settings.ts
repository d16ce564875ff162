import { z } from 'zod';

type Schema = z.core.$ZodType;

/** A schema without its wrappers, and what they and its metadata said. */
export type Unwrapped = {
  core: Schema;
  /** A value need not be given. */
  optional: boolean;
  defaultValue: unknown;
  secret: boolean;
  /** Of a secret one: whether a text is, or has, what must be kept. */
  holdsSecret: (text: string) => boolean;
  description: string | undefined;
  variable: string | undefined;
};

/** One leaf of a configuration schema. */
export type Setting = {
  /** `database.url`; `proxies[].host` for a key of each element of a list. */
  key: string;
  path: readonly string[];
  /** The environment variable; absent where only the file can hold the value. */
  variable: string | undefined;
} & Omit<Unwrapped, 'variable'>;

function innerOf(schema: Schema): Schema | undefined {
  if (
    schema instanceof z.core.$ZodOptional ||
    schema instanceof z.core.$ZodNullable ||
    schema instanceof z.core.$ZodDefault ||
    schema instanceof z.core.$ZodPrefault ||
    schema instanceof z.core.$ZodReadonly
  ) {
    return schema._zod.def.innerType;
  }
  if (schema instanceof z.core.$ZodPipe) {
    const { in: before, out: after } = schema._zod.def;
    return before instanceof z.core.$ZodTransform ? after : before;
  }
  return undefined;
}

/** Metadata may sit on any wrapper; the outermost wins. */
export function unwrap(schema: Schema): Unwrapped {
  const seen: Unwrapped = {
    core: schema,
    optional: false,
    defaultValue: undefined,
    secret: false,
    holdsSecret: () => true,
    description: undefined,
    variable: undefined,
  };
  for (let layer: Schema | undefined = schema; layer; layer = innerOf(layer)) {
    const meta = z.globalRegistry.get(layer) ?? {};
    seen.core = layer;
    seen.secret ||= meta['secret'] === true;
    const holdsSecret = meta['holdsSecret'];
    if (typeof holdsSecret === 'function')
      seen.holdsSecret = (text) => Reflect.apply(holdsSecret, undefined, [text]) === true;
    seen.description ??= meta.description;
    if (typeof meta['env'] === 'string') seen.variable ??= meta['env'];
    if (layer instanceof z.core.$ZodDefault || layer instanceof z.core.$ZodPrefault) {
      seen.optional = true;
      seen.defaultValue ??= layer._zod.def.defaultValue;
    }
    if (layer instanceof z.core.$ZodOptional || layer instanceof z.core.$ZodNullable) {
      seen.optional = true;
    }
  }
  return seen;
}

/** Whether one line of text can hold the value. */
function fitsInVariable(core: Schema): boolean {
  if (core instanceof z.core.$ZodArray) {
    const element = unwrap(core._zod.def.element).core;
    return !(element instanceof z.core.$ZodArray) && fitsInVariable(element);
  }
  if (core instanceof z.core.$ZodUnion) {
    return core._zod.def.options.some((option) => fitsInVariable(unwrap(option).core));
  }
  return (
    core instanceof z.core.$ZodString ||
    core instanceof z.core.$ZodNumber ||
    core instanceof z.core.$ZodBoolean ||
    core instanceof z.core.$ZodEnum ||
    core instanceof z.core.$ZodLiteral
  );
}

/** `['operatorApi', 'port']` -> `SALLYPORT_OPERATOR_API_PORT`. */
function variableFor(path: readonly string[]): string {
  const words = path.map((part) => part.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase());
  return `SALLYPORT_${words.join('_')}`;
}

/** The keys of what a section, a list or a map holds, or undefined for a leaf. */
function childrenOf(core: Schema): Array<[string, Schema]> | undefined {
  if (core instanceof z.core.$ZodObject) return Object.entries(core._zod.def.shape);
  if (core instanceof z.core.$ZodArray && !fitsInVariable(core)) {
    return [['[]', core._zod.def.element]];
  }
  if (core instanceof z.core.$ZodRecord) return [['<name>', core._zod.def.valueType]];
  return undefined;
}

function collect(schema: Schema, path: readonly string[], single: boolean): Setting[] {
  const node = unwrap(schema);
  const children = childrenOf(node.core);
  if (!children) {
    const variable =
      single && fitsInVariable(node.core) ? (node.variable ?? variableFor(path)) : undefined;
    return [{ ...node, key: keyOf(path), path, variable }];
  }
  const inner = single && node.core instanceof z.core.$ZodObject;
  return children.flatMap(([name, child]) => collect(child, [...path, name], inner));
}

/** Every leaf in the order of the schema. Throws when two of them would read the same variable. */
export function settingsOf(schema: z.ZodObject): Setting[] {
  const settings = collect(schema, [], true);
  const names = settings.flatMap(variablesOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two settings read the variable ${twice}`);
  return settings;
}

/** The variables that a setting is read from. */
export function variablesOf({ variable, secret }: Setting): string[] {
  if (variable === undefined) return [];
  return secret ? [variable, `${variable}_FILE`] : [variable];
}

/** `['proxies', 0, 'host']` -> `proxies[0].host`. */
export function keyOf(path: ReadonlyArray<PropertyKey>): string {
  return path.reduce<string>((key, part) => {
    if (typeof part === 'number') return `${key}[${part}]`;
    return key === '' || part === '[]' ? `${key}${String(part)}` : `${key}.${String(part)}`;
  }, '');
}
