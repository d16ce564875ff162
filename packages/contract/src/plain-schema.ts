/**
 * A JSON Schema of zod as other languages read it, changed in place: without the bounds of every integer in JavaScript
 * and the pattern of a format that has a name; patterns without Unicode properties and octal escapes, which not every
 * language knows.
 */
export function writePlainly(schema: Record<string, unknown>): void {
  const { minimum, maximum, format, pattern } = schema;
  if (minimum === Number.MIN_SAFE_INTEGER) delete schema['minimum'];
  if (maximum === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
  if (format === 'uuid' || format === 'date-time') delete schema['pattern'];
  else if (typeof pattern === 'string')
    schema['pattern'] = pattern
      .replaceAll(String.raw`\0`, String.raw`\u0000`)
      .replaceAll(String.raw`\p{Cs}`, String.raw`\ud800-\udfff`);
}
