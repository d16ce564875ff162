import safeRegex from 'safe-regex2';
import { z } from 'zod';

const MAX_PATTERN_LENGTH = 256;
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** What stands behind a keyword: one schema, a list of them, an object of them, or no schema but a value. */
export type Keyword =
  /** `inPlace`: applies to the same place of an instance as the schema that it stands in. */
  { holds: 'schema' | 'list' | 'map'; inPlace: boolean } | { holds: 'value'; value: z.ZodType };

const value = (schema: z.ZodType): Keyword => ({ holds: 'value', value: schema });
const inPlace = (holds: 'schema' | 'list' | 'map'): Keyword => ({ holds, inPlace: true });
const below = (holds: 'schema' | 'list' | 'map'): Keyword => ({ holds, inPlace: false });

const typeName = z.enum(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
const names = z.array(z.string());
const count = z.int().min(0);
const anything = z.json();
const remark = z.union([z.string(), z.boolean()]);

/** A pattern that is no regular expression, or may go back and forth without end. */
export function whyUnsafe(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH)
    return `is a pattern of more than ${MAX_PATTERN_LENGTH} characters`;
  try {
    const compiled = new RegExp(pattern, 'u');
    return safeRegex(compiled)
      ? undefined
      : 'is a pattern that repeats what repeats, which may take for ever';
  } catch {
    return 'is no regular expression (ECMA-262, with flag u)';
  }
}

const pattern = z.string().superRefine((text, context) => {
  const reason = whyUnsafe(text);
  if (reason !== undefined) context.addIssue(reason);
});

/** The keywords of JSON Schema 2020-12 that a plugin type may use. Any other is a slip of the pen, and refused. */
export const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ['$schema', value(z.literal(DIALECT, `has to be ${DIALECT}`))],
  ['$id', value(z.string())],
  ['$ref', value(z.string().regex(/^#(?:\/.*)?$/s, 'may point into this schema alone: #/$defs/…'))],
  ['$comment', value(z.string())],
  ['$defs', below('map')],
  ['type', value(z.union([typeName, z.array(typeName).min(1)]))],
  ['enum', value(z.array(anything).min(1))],
  ['const', value(anything)],
  ['allOf', inPlace('list')],
  ['anyOf', inPlace('list')],
  ['oneOf', inPlace('list')],
  ['not', inPlace('schema')],
  ['if', inPlace('schema')],
  ['then', inPlace('schema')],
  ['else', inPlace('schema')],
  ['dependentSchemas', inPlace('map')],
  ['properties', below('map')],
  ['patternProperties', below('map')],
  ['additionalProperties', below('schema')],
  ['unevaluatedProperties', below('schema')],
  ['propertyNames', below('schema')],
  ['items', below('schema')],
  ['prefixItems', below('list')],
  ['contains', below('schema')],
  ['unevaluatedItems', below('schema')],
  ['required', value(names)],
  ['dependentRequired', value(z.record(z.string(), names))],
  ['minProperties', value(count)],
  ['maxProperties', value(count)],
  ['minItems', value(count)],
  ['maxItems', value(count)],
  ['minContains', value(count)],
  ['maxContains', value(count)],
  ['uniqueItems', value(z.boolean())],
  ['minLength', value(count)],
  ['maxLength', value(count)],
  ['pattern', value(pattern)],
  ['format', value(z.string())],
  ['minimum', value(z.number())],
  ['maximum', value(z.number())],
  ['exclusiveMinimum', value(z.number())],
  ['exclusiveMaximum', value(z.number())],
  ['multipleOf', value(z.number().positive())],
  ['contentEncoding', value(z.string())],
  ['contentMediaType', value(z.string())],
  ['title', value(remark)],
  ['description', value(remark)],
  ['default', value(anything)],
  ['examples', value(z.array(anything))],
  ['deprecated', value(z.boolean())],
  ['readOnly', value(z.boolean())],
  ['writeOnly', value(z.boolean())],
]);
