import type { z } from 'zod';
import { leavesOf } from './leaves.ts';

/** The reference page of a configuration: a Markdown heading and a table with one row per key. */
export function configReference(schema: z.ZodObject, options: { programName: string }): string {
  const rows = leavesOf(schema).map((leaf) => {
    const variable = leaf.isSecret ? `\`${leaf.variable}\`, \`${leaf.variable}_FILE\`` : `\`${leaf.variable}\``;
    const shown = leaf.defaultValue === undefined ? '' : `\`${Array.isArray(leaf.defaultValue) ? leaf.defaultValue.join(',') : String(leaf.defaultValue)}\``;
    return `| \`${leaf.path.join('.')}\` | ${variable} | ${shown} | ${leaf.description} |`;
  });
  return [`## ${options.programName}`, '', '| key | variable | default | what it is |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}
