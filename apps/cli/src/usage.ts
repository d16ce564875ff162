import { z } from 'zod';
import { CliError } from './cli-error.ts';

/** A whole number as it is typed. */
export const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/, 'use a whole number')
  .transform(Number);

/** An agent's id as it is typed. Its name is what people try first. */
export const agentId = z.uuid('give the id that `sallyport agent list` shows').toLowerCase();

/** Fields of the API, and of what is typed, whose options are not called as they are. */
const calledOtherwise: Readonly<Record<string, string>> = {
  cidrs: '--cidr',
  expiresInDays: '--days',
  expiresInSeconds: '--expires',
  overlapSeconds: '--overlap',
  'lease.ttlSeconds': '--lease',
  'lease.maxTtlSeconds': '--lease-max',
  'lease.maxUses': '--lease-uses',
  'lease.windows': '--lease-window',
};

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
  const result = schema.safeParse(value, { error: expected });
  if (result.success) return result.data;
  const reasons = result.error.issues.map(({ path, message }) => {
    // What is wrong with the whole names its options itself.
    const of = name ?? (path.length === 0 ? undefined : optionName(path));
    return of === undefined ? message : `${of}: ${message}`;
  });
  throw new CliError('usage.invalid', reasons.join('; '));
}

/** `caFile` is typed as `--ca-file`. */
export function optionName([field, within]: readonly PropertyKey[]): string {
  const [outer, inner] = [String(field), `${String(field)}.${String(within)}`];
  return (
    calledOtherwise[inner] ??
    calledOtherwise[outer] ??
    `--${outer.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  );
}

/** What to type instead, where the schema does not say so itself: its own words are for those who write programs. */
function expected(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_format' && issue.format === 'uuid')
    return 'give the id that its list shows';
  if (issue.code === 'invalid_format' && issue.format === 'datetime')
    return 'use a time such as 2030-01-31T00:00:00Z';
  if (issue.code === 'invalid_value') return `use ${anyOf(issue.values.map(String))}`;
  // The last of what may be typed is the general case.
  if (issue.code === 'invalid_union') return issue.errors.at(-1)?.[0]?.message;
  if (issue.schema instanceof z.ZodNumber) return rangeOf(issue.schema);
  const what = issue.origin === 'string' ? ' characters' : '';
  if (issue.code === 'too_small') return `give ${issue.minimum} or more${what}`;
  return issue.code === 'too_big' ? `give ${issue.maximum} or fewer${what}` : undefined;
}

function rangeOf({ minValue, maxValue }: z.ZodNumber): string {
  return maxValue === null || !Number.isSafeInteger(maxValue + 1)
    ? `use at least ${minValue ?? 0}`
    : `use ${minValue ?? 0} to ${maxValue}`;
}

/** `a, b or c`. */
function anyOf(words: readonly string[]): string {
  return words.join(', ').replace(/, ([^,]*)$/, ' or $1');
}
