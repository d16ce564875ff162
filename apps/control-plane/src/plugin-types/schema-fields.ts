import type { JsonObject, JsonValue } from '@sallyport/contract';
import { isObject, own } from '@sallyport/crypto/masked-fields';
import { partsOf } from './check-schema.ts';
import { whyUnsafe } from './schema-keywords.ts';

/** All the schemas that apply to one place of an instance, none of them twice. */
export type Layers = ReadonlySet<JsonValue>;
/** What is below a place: its part of a path, `*` for any, and the name that a reader goes by. */
export type Child = { part: string; name: string; schema: JsonValue };

const CHILDREN = [
  'properties',
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
  'prefixItems',
  'items',
  'contains',
  'unevaluatedItems',
];

/** A schema and all that applies to the same place. */
export function layersOf(root: JsonObject, schema: JsonValue): Layers {
  const layers = new Set<JsonValue>();
  const left = [schema];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (layers.has(next)) continue;
    layers.add(next);
    if (isObject(next)) left.push(...partsOf(root, next));
  }
  return layers;
}

/** What a schema declares below itself. */
export function childrenOf(schema: JsonValue): Child[] {
  if (!isObject(schema)) return [];
  const map = (keyword: string) => Object.entries(objectAt(schema, keyword));
  const items = own(schema, 'prefixItems');
  const any = (keyword: string): Child[] => {
    const held = own(schema, keyword);
    return held === undefined ? [] : [{ part: '*', name: '', schema: held }];
  };
  return [
    ...map('properties').map(([name, held]) => ({ part: name, name, schema: held })),
    ...map('patternProperties').map(([name, held]) => ({ part: '*', name, schema: held })),
    ...(Array.isArray(items) ? items : []).map((held, index) => ({
      part: String(index),
      name: '',
      schema: held,
    })),
    ...any('additionalProperties'),
    ...any('unevaluatedProperties'),
    ...any('items'),
    ...any('contains'),
    ...any('unevaluatedItems'),
  ];
}

function objectAt(schema: JsonObject, keyword: string): JsonObject {
  const held = own(schema, keyword);
  return isObject(held) ? held : {};
}

function declares(layers: Layers): boolean {
  return [...layers].some(
    (layer) => isObject(layer) && CHILDREN.some((key) => Object.hasOwn(layer, key)),
  );
}

/** The types that the layers name; undefined when they leave it open. */
function typesOf(layers: Layers): Set<JsonValue> | undefined {
  const named = [...layers].flatMap((layer) => {
    const type = isObject(layer) ? own(layer, 'type') : undefined;
    return type === undefined ? [] : [type].flat();
  });
  return named.length === 0 ? undefined : new Set(named);
}

/** Whether text may stand at a place, or inside it where nothing more is declared. */
export function mayHoldText(layers: Layers): boolean {
  if ([...layers].every((layer) => layer === false)) return false;
  const types = typesOf(layers);
  if (types === undefined) return !constantsOf(layers)?.every((value) => typeof value !== 'string');
  const isOpen = (types.has('object') || types.has('array')) && !declares(layers);
  return types.has('string') || isOpen;
}

function constantsOf(layers: Layers): JsonValue[] | undefined {
  const values = [...layers].flatMap((layer) => {
    if (!isObject(layer)) return [];
    const choice = own(layer, 'enum');
    const constant = own(layer, 'const');
    return [
      ...(Array.isArray(choice) ? choice : []),
      ...(constant === undefined ? [] : [constant]),
    ];
  });
  return values.length === 0 ? undefined : values;
}

/** The schemas of what a part of a path leads to; none when the schema has no such place. */
export function stepInto(layers: Layers, part: string): JsonValue[] {
  const types = typesOf(layers);
  const holdsMore = types === undefined || types.has('object') || types.has('array');
  if (!holdsMore || layers.has(false)) return [];
  if (!declares(layers)) return [true];
  return [...layers].flatMap(childrenOf).flatMap(({ part: declared, name, schema }) => {
    const isPattern = declared === '*' && name !== '';
    if (isPattern && part !== '*' && !matches(name, part)) return [];
    return schema !== false && (part === '*' || declared === '*' || declared === part)
      ? [schema]
      : [];
  });
}

function matches(pattern: string, text: string): boolean {
  return whyUnsafe(pattern) === undefined && new RegExp(pattern, 'u').test(text);
}
