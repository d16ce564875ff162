import type { z } from 'zod';
import { type Setting, settingsOf } from './settings.ts';

function code(text: string): string {
  return `\`${text}\``;
}

function defaultOf(setting: Setting): string {
  if (setting.defaultValue !== undefined) return code(JSON.stringify(setting.defaultValue));
  return setting.optional ? 'unset' : '**required**';
}

function row(setting: Setting): string {
  const cells = [
    code(setting.key),
    setting.variable === undefined ? 'file only' : code(setting.variable),
    setting.secret && setting.variable !== undefined ? 'yes' : 'no',
    defaultOf(setting),
    setting.description ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

/** The reference of a program's configuration: a Markdown heading and a table with a row for every key. */
export function configReference(schema: z.ZodObject, options: { programName: string }): string {
  const lines = [
    `## ${options.programName}`,
    '',
    '| key | variable | `_FILE` | default | what it is |',
    '| --- | --- | --- | --- | --- |',
    ...settingsOf(schema).map(row),
  ];
  return `${lines.join('\n')}\n`;
}
