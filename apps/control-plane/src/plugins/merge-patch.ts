import type { JsonObject, JsonValue } from '@sallyport/contract';
import { formatPointer, type Path } from '@sallyport/crypto/json-pointer';
import { isObject, isPlaceholder, own, type Fields } from '@sallyport/crypto/masked-fields';

/**
 * Applies a JSON Merge Patch (RFC 7396, section 2) to a masked configuration. What is not patched keeps its
 * placeholder. A patch to something inside of an encrypted field is made to the field's value.
 */
export function mergePatch(
  target: JsonObject,
  patch: JsonObject,
  values: Fields<JsonValue>,
): JsonObject {
  return merge(target, patch, values, []);
}

function merge(
  target: JsonObject,
  patch: JsonObject,
  values: Fields<JsonValue>,
  at: Path,
): JsonObject {
  const merged = new Map(Object.entries(target));
  for (const [key, change] of Object.entries(patch))
    if (change === null) merged.delete(key);
    else merged.set(key, patched(own(target, key), change, values, [...at, key]));
  return Object.fromEntries(merged);
}

function patched(
  old: JsonValue | undefined,
  change: JsonValue,
  values: Fields<JsonValue>,
  at: Path,
): JsonValue {
  if (!isObject(change) || isPlaceholder(change)) return change;
  const value = isPlaceholder(old) ? values.get(formatPointer(at)) : old;
  return merge(isObject(value) ? value : {}, change, values, at);
}
