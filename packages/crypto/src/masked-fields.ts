import type { JsonObject, JsonValue } from '@sallyport/contract';
import { formatPointer, type Path } from './json-pointer.ts';

/** Encrypted fields by their JSON Pointer. */
export type Fields<Value> = ReadonlyMap<string, Value>;

const PLACEHOLDER_KEY = '$encrypted';

/** What stands in a configuration where an encrypted field is. */
export const placeholder = (): JsonObject => ({ [PLACEHOLDER_KEY]: true });

export function isPlaceholder(value: JsonValue | undefined): boolean {
  return isObject(value) && Object.keys(value).length === 1 && own(value, PLACEHOLDER_KEY) === true;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own property: what an object inherits was never in its JSON. */
export function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** The same object with each value made anew; every key becomes an own property, whatever its name. */
function mapObject(
  object: JsonObject,
  each: (value: JsonValue, key: string) => JsonValue,
): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, each(value, key)]));
}

/**
 * Takes out of a configuration all that the patterns name, whatever JSON it is, and leaves a placeholder in each
 * place. Of two places of which one holds the other, the outer is taken.
 */
export function maskFields(
  config: JsonObject,
  patterns: readonly Path[],
): { masked: JsonObject; fields: Map<string, JsonValue> } {
  const fields = new Map<string, JsonValue>();
  const mask = (value: JsonValue, live: readonly Path[], at: Path): JsonValue => {
    if (live.some((rest) => rest.length === 0)) {
      fields.set(formatPointer(at), value);
      return placeholder();
    }
    return inside(value, live, at);
  };
  const inside = (value: JsonValue, live: readonly Path[], at: Path): JsonValue => {
    if (live.length === 0) return value;
    if (Array.isArray(value))
      return value.map((item, index) => {
        const part = String(index);
        return mask(item, below(live, part), [...at, part]);
      });
    if (!isObject(value)) return value;
    return mapObject(value, (item, key) => mask(item, below(live, key), [...at, key]));
  };
  const masked = mapObject(config, (item, key) => mask(item, below(patterns, key), [key]));
  return { masked, fields };
}

function below(patterns: readonly Path[], part: string): Path[] {
  return patterns.flatMap(([first, ...rest]) => (first === '*' || first === part ? [rest] : []));
}

/**
 * The opposite of `maskFields`.
 *
 * @throws RangeError of a placeholder without a value, or a value without a placeholder
 */
export function fillFields(masked: JsonObject, fields: Fields<JsonValue>): JsonObject {
  const left = new Set(fields.keys());
  const fill = (value: JsonValue, at: Path): JsonValue => {
    if (isPlaceholder(value)) return take(fields, left, at);
    if (Array.isArray(value)) return value.map((item, index) => fill(item, [...at, String(index)]));
    return isObject(value) ? mapObject(value, (item, key) => fill(item, [...at, key])) : value;
  };
  const filled = mapObject(masked, (item, key) => fill(item, [key]));
  refuseLeft(left);
  return filled;
}

/**
 * The same as JSON text in UTF-8, of fields that are JSON text already: no plaintext becomes a string, which could
 * not be zeroed. @throws RangeError as `fillFields` does
 */
export function encodeFilled(masked: JsonObject, fields: Fields<Uint8Array>): Buffer {
  const left = new Set(fields.keys());
  const pieces: Uint8Array[] = [];
  const text = (json: string) => void pieces.push(Buffer.from(json, 'utf8'));
  const list = (items: readonly (() => void)[]) => {
    for (const [index, item] of items.entries()) {
      if (index > 0) text(',');
      item();
    }
  };
  const object = (value: JsonObject, at: Path) => {
    text('{');
    list(
      Object.entries(value).map(([key, item]) => () => {
        text(`${JSON.stringify(key)}:`);
        encode(item, [...at, key]);
      }),
    );
    text('}');
  };
  const encode = (value: JsonValue, at: Path): void => {
    if (isPlaceholder(value)) pieces.push(take(fields, left, at));
    else if (Array.isArray(value)) {
      text('[');
      list(value.map((item, index) => () => encode(item, [...at, String(index)])));
      text(']');
    } else if (isObject(value)) object(value, at);
    else text(JSON.stringify(value));
  };
  object(masked, []);
  refuseLeft(left);
  return Buffer.concat(pieces);
}

function take<Value>(fields: Fields<Value>, left: Set<string>, at: Path): Value {
  const pointer = formatPointer(at);
  const value = fields.get(pointer);
  if (value === undefined) throw new RangeError('a placeholder stands where no value is kept');
  left.delete(pointer);
  return value;
}

function refuseLeft(left: ReadonlySet<string>): void {
  if (left.size > 0) throw new RangeError('a value is kept for a place without a placeholder');
}

/** Where `$encrypted` stands as a key, but for the placeholders of these fields. */
export function strayPlaceholders(value: JsonValue, fields: Fields<unknown>): string[] {
  const strays: string[] = [];
  const search = (item: JsonValue, at: Path): void => {
    if (typeof item !== 'object' || item === null) return;
    const pointer = formatPointer(at);
    if (fields.has(pointer) && isPlaceholder(item)) return;
    if (Object.hasOwn(item, PLACEHOLDER_KEY)) strays.push(pointer);
    for (const [key, inner] of Object.entries(item))
      if (inner !== undefined) search(inner, [...at, key]);
  };
  search(value, []);
  return strays;
}
