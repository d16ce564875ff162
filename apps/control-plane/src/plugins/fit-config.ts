import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue, ProblemIssue } from '@sallyport/contract';
import { covers, formatPointer, parsePointer } from '@sallyport/crypto/json-pointer';
import {
  fillFields,
  isPlaceholder,
  maskFields,
  strayPlaceholders,
} from '@sallyport/crypto/masked-fields';
import { AppError } from '../platform/app-error.ts';
import {
  marksOf,
  nameablePath,
  secretsInClear,
  validateConfig,
  type Misfit,
  type TypeRow,
} from '../plugin-types/index.ts';
import { whyNotKept } from './kept-values.ts';

const MAX_FIELDS = 256;
const MAX_POINTER_LENGTH = 1024;
const MAX_ISSUES = 20;

type TypeOfPlugin = Pick<TypeRow, 'schema' | 'encryptedFields' | 'publicFields'>;

/** A plugin's configuration as it is stored: placeholders, and the values behind them. */
export type OpenConfig = { masked: JsonObject; values: ReadonlyMap<string, JsonValue> };
/** The same of what was sent; `fresh` are the pointers of the values that are not stored yet. */
export type FitConfig = OpenConfig & { fresh: ReadonlySet<string> };

/**
 * Holds a configuration that was sent against its type: takes the encrypted fields out of it and puts kept values in
 * for placeholders, and validates the plaintext.
 *
 * @throws AppError `request.invalid`, which names paths and never a value
 */
export function fitConfig(type: TypeOfPlugin, sent: JsonObject, stored: OpenConfig): FitConfig {
  const { masked, fields } = maskFields(sent, marksOf(type).encrypted);
  refuse(placeholderMisfits(masked, fields, stored));
  const values = new Map<string, JsonValue>();
  const fresh = new Set<string>();
  for (const [pointer, value] of fields) {
    const kept = stored.values.get(pointer);
    const isKept = isPlaceholder(value) || (kept !== undefined && isDeepStrictEqual(kept, value));
    if (!isKept) fresh.add(pointer);
    values.set(pointer, isKept && kept !== undefined ? kept : value);
  }
  refuse(misfitsOf(type, fillFields(masked, values)));
  return { masked, values, fresh };
}

function placeholderMisfits(
  masked: JsonObject,
  fields: ReadonlyMap<string, JsonValue>,
  stored: OpenConfig,
): Misfit[] {
  if (fields.size > MAX_FIELDS)
    return [{ path: '', problem: `has more than ${MAX_FIELDS} encrypted fields` }];
  const strays = strayPlaceholders(masked, fields).map((path) => ({
    path,
    problem: 'has $encrypted where no encrypted field is; send the value itself',
  }));
  const misplaced = [...fields].flatMap(([path, value]) => {
    const problem = fieldProblem(path, value, masked, stored);
    return problem === undefined ? [] : [{ path, problem }];
  });
  return [...strays, ...misplaced];
}

function fieldProblem(
  path: string,
  value: JsonValue,
  masked: JsonObject,
  stored: OpenConfig,
): string | undefined {
  if (path.length > MAX_POINTER_LENGTH) return 'has a path that is too long';
  if (!isPlaceholder(value))
    return strayPlaceholders(value, new Map()).length > 0
      ? 'has $encrypted inside of an encrypted field; send the whole value'
      : undefined;
  if (!stored.values.has(path)) return 'has nothing to keep yet; send the value';
  return whyNotKept(path, stored.masked, masked);
}

/** What of a plaintext configuration does not fit a type. What is inside of an encrypted field is not named, nor what may be no name. */
export function misfitsOf(type: TypeOfPlugin, config: JsonObject): Misfit[] {
  const marks = marksOf(type);
  const inClear = secretsInClear(config, marks).map((path) => ({
    path,
    problem:
      'looks like a secret and would stand in clear: give the plugin a type that encrypts it, or that says it is public',
  }));
  const misfits = validateConfig(type.schema, config).map(({ path, problem }) => {
    const parts = parsePointer(path);
    const end = parts.findIndex((_, index) =>
      marks.encrypted.some((pattern) => covers(pattern, parts.slice(0, index + 1))),
    );
    return {
      path: nameablePath(formatPointer(end === -1 ? parts : parts.slice(0, end + 1))),
      problem,
    };
  });
  return [...inClear, ...misfits];
}

function refuse(misfits: Misfit[]): void {
  if (misfits.length === 0) return;
  const issues = misfits.slice(0, MAX_ISSUES).map(({ path, problem }): ProblemIssue => {
    return { field: `body.config${nameablePath(path)}`, message: problem };
  });
  const fields = [...new Set(issues.map(({ field }) => field))].slice(0, 5).join(', ');
  throw new AppError('request.invalid', `The configuration is not valid: see ${fields}.`, {
    issues,
  });
}
