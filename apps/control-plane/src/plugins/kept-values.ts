import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '@sallyport/contract';
import { parsePointer } from '@sallyport/crypto/json-pointer';
import { isObject, own } from '@sallyport/crypto/masked-fields';

const MOVED =
  'is in a list of which items were moved, removed or changed together, so that it may be another item’s; send the value itself, or change one item at a time';

/**
 * Why a placeholder may not keep what is stored at the same pointer; undefined when it may. Items of a list have no
 * names: where it is not plain that an item is the one that stood there before, it gets no secret of it.
 */
export function whyNotKept(
  pointer: string,
  stored: JsonObject,
  sent: JsonObject,
): string | undefined {
  let [was, is]: (JsonValue | undefined)[] = [stored, sent];
  for (const part of parsePointer(pointer)) {
    if (Array.isArray(was) !== Array.isArray(is)) return MOVED;
    if (Array.isArray(was) && Array.isArray(is)) {
      if (!isSameItem(was, is, Number(part))) return MOVED;
      [was, is] = [was[Number(part)], is[Number(part)]];
    } else [was, is] = [below(was, part), below(is, part)];
  }
  return undefined;
}

function below(value: JsonValue | undefined, part: string): JsonValue | undefined {
  return isObject(value) ? own(value, part) : undefined;
}

function isSameItem(was: JsonValue[], is: JsonValue[], index: number): boolean {
  const isShorter = is.length < was.length;
  const looksLike = (item: JsonValue | undefined) => (other: JsonValue) =>
    isDeepStrictEqual(item, other);
  const [old, item] = [was[index], is[index]];
  if (isDeepStrictEqual(old, item)) {
    // Of items that look the same, nobody can tell which one is gone.
    const alike = looksLike(old);
    return !isShorter || was.filter(alike).length === is.filter(alike).length;
  }
  const changed = was.filter((each, at) => !isDeepStrictEqual(each, is[at])).length;
  const isElsewhere = is.slice(was.length).some(looksLike(old));
  const isAnother = was.some(looksLike(item));
  return !isShorter && changed === 1 && !isElsewhere && !isAnother;
}
