import type { z } from 'zod';

const expectations: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'keys and values',
  record: 'keys and values',
  string: 'text, in quotes where YAML would read a number or true',
};

/** What a schema expected in the place of what was given, as the end of a sentence. */
export function expected(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return `expected ${expectations[issue.expected] ?? issue.expected}`;
  }
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}
