import { z } from 'zod';

/** One settable value of a configuration schema. */
export type Leaf = {
  /** `['database', 'url']`. */
  path: string[];
  /** The variable that sets it. */
  variable: string;
  isSecret: boolean;
  type: 'string' | 'number' | 'boolean' | 'list';
  description: string;
  defaultValue: unknown;
};

const metadata = z.object({
  env: z.string().optional(),
  secret: z.boolean().optional(),
  description: z.string().optional(),
});

type Layers = { schema: z.core.$ZodType; meta: z.infer<typeof metadata>; defaultValue: unknown };

/** Every leaf of a schema, in its order. Objects nest; everything else is a leaf. */
export function leavesOf(schema: z.core.$ZodType, path: string[] = []): Leaf[] {
  const { schema: inner, meta, defaultValue } = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, child]) =>
      child instanceof z.core.$ZodType ? leavesOf(child, [...path, key]) : [],
    );
  }
  return [
    {
      path,
      variable: meta.env ?? variableName(path),
      isSecret: meta.secret === true,
      type: typeOf(inner),
      description: meta.description ?? '',
      defaultValue,
    },
  ];
}

/** Looks through `optional`, `default`, `prefault` and pipes, gathering what they say. */
function unwrap(schema: z.core.$ZodType): Layers {
  let meta: z.infer<typeof metadata> = {};
  let defaultValue: unknown;
  let at = schema;
  for (;;) {
    meta = { ...metadata.parse(z.globalRegistry.get(at) ?? {}), ...meta };
    if (at instanceof z.ZodDefault || at instanceof z.ZodPrefault)
      defaultValue = at.def.defaultValue;
    if (
      at instanceof z.ZodOptional ||
      at instanceof z.ZodDefault ||
      at instanceof z.ZodPrefault ||
      at instanceof z.ZodNullable
    )
      at = at.def.innerType;
    else if (at instanceof z.ZodPipe) at = at.def.in;
    else return { schema: at, meta, defaultValue };
  }
}

function typeOf(schema: z.core.$ZodType): Leaf['type'] {
  if (schema instanceof z.ZodArray) return 'list';
  if (schema instanceof z.ZodNumber) return 'number';
  return schema instanceof z.ZodBoolean ? 'boolean' : 'string';
}

/** `['operatorApi', 'port']` -> `SALLYPORT_OPERATOR_API_PORT`. */
function variableName(path: string[]): string {
  return `SALLYPORT_${path.map((key) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`;
}
