import { z } from 'zod';
import { CliError } from './cli-error.ts';

/** A whole number as it is typed. */
export const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/, 'use a whole number')
  .transform(Number);

/**
 * Checks arguments and options before anything is sent. The keys of an object are the names that the message
 * shows.
 *
 * @throws CliError `usage.invalid`, which names what is wrong and never repeats it
 */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const reasons = result.error.issues.map(({ path, message }) => [optionName(path), message].filter(Boolean).join(': '));
  throw new CliError('usage.invalid', reasons.join('; '));
}

/** `passwordFile` is typed as `--password-file`. */
function optionName([key]: PropertyKey[]): string {
  if (typeof key !== 'string') return '';
  return /^[A-Z<]/.test(key) ? key : `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
