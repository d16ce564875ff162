import { z } from 'zod';
import { CliError } from './cli-error.ts';

/** A whole number as it is typed. */
export const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/, 'use a whole number')
  .transform(Number);

/**
 * Checks what was typed before anything is sent. `name` is what the message calls it; the fields of an object
 * are called as the options they come from.
 *
 * @throws CliError `usage.invalid`, which says what is wrong and never repeats it
 */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name?: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const reasons = result.error.issues.map(
    ({ path, message }) => `${name ?? optionName(path)}: ${message}`,
  );
  throw new CliError('usage.invalid', reasons.join('; '));
}

/** `caFile` is typed as `--ca-file`. */
function optionName([field]: PropertyKey[]): string {
  return `--${String(field).replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
