import { lintSource } from '@secretlint/core';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';
import { assignments } from './assignments.ts';
import { isLockFile, kindOf } from './kinds-of-file.ts';

/**
 * Where something looks like a secret. `key` is the name that it is assigned to, `value` what one is told from another
 * by, and for nobody to see.
 */
export type Finding = {
  line: number;
  column: number;
  rule: string;
  key: string | undefined;
  value: string;
};

const PRESET = '@secretlint/secretlint-rule-preset-recommend';
const config = { rules: [{ id: PRESET, rule: recommended, rules: [] }] };

/**
 * What looks like a secret in a text: what has the form of a known kind, such as a cloud provider's keys and private
 * keys, and, but in lock files, literals that are assigned to a name such as `password`. One finding a line, at most.
 */
export async function findSecrets(path: string, text: string): Promise<Finding[]> {
  const source = { filePath: path, content: text, contentType: 'text', ext: '' } as const;
  const options = { config, maskSecrets: true, noPhysicFilePath: true };
  const { messages } = await lintSource({ source, options });
  const inText = isLockFile(path) ? [] : assignments(text, kindOf(path));
  const assigned = new Map(inText.map((each) => [each.line, each]));
  const known = messages.map(({ ruleId, loc, range }): Finding => {
    const { line, column } = loc.start;
    const rule = ruleId.replace(/^.*secretlint-rule-/, '');
    const { key, value: literal = '' } = assigned.get(line) ?? {};
    // Of some kinds the range is a part of the secret alone.
    const value = `${text.slice(...range)}\n${literal}`;
    return { line, column: column + 1, rule, key, value };
  });
  const lines = new Set(known.map(({ line }) => line));
  const others = [...assigned.values()].filter(({ line }) => !lines.has(line));
  const firstOfLine = [...new Map(known.toReversed().map((each) => [each.line, each])).values()];
  return [...firstOfLine, ...others].toSorted((one, other) => one.line - other.line);
}
