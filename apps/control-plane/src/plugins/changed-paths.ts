import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '@sallyport/contract';
import { formatPointer, type Path } from '@sallyport/crypto/json-pointer';
import { isObject, own } from '@sallyport/crypto/masked-fields';
import { nameablePath } from '../plugin-types/index.ts';

const MAX_NAMED = 50;

/** Where a configuration is another one than before, for the audit: paths, and never what stands there. */
export function changedPaths(
  before: JsonObject,
  after: JsonObject,
  resealed: Iterable<string>,
): string[] {
  const changed = new Set(resealed);
  compare(before, after, [], changed);
  const names = [...new Set([...changed].map(nameablePath))].toSorted();
  const [named, left] = [names.slice(0, MAX_NAMED), names.length - MAX_NAMED];
  return left > 0 ? [...named, `and ${left} more`] : named;
}

function compare(before: JsonValue, after: JsonValue, at: Path, changed: Set<string>): void {
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const [old, now] = [own(before, key), own(after, key)];
      if (old === undefined || now === undefined) changed.add(formatPointer([...at, key]));
      else compare(old, now, [...at, key], changed);
    }
  } else if (!isDeepStrictEqual(before, after)) changed.add(formatPointer(at));
}
