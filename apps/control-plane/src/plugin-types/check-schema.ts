import type { JsonObject, JsonValue, ProblemIssue } from '@sallyport/contract';
import { formatPointer, parsePointer, type Path } from '@sallyport/crypto/json-pointer';
import { isObject, own } from '@sallyport/crypto/masked-fields';
import { keywords, whyUnsafe, type Keyword } from './schema-keywords.ts';

const MAX_SCHEMA_BYTES = 64 * 1024;
const MAX_SUBSCHEMAS = 2_000;
export const MAX_ISSUES = 20;

type Found = { schema: JsonValue; at: Path };

/**
 * Whether a JSON object is a schema that may be used here: only keywords of JSON Schema 2020-12, references into
 * itself that do not go round in circles, patterns that come to an end, and not too much of anything.
 */
export function checkSchema(schema: JsonObject): ProblemIssue[] {
  if (Buffer.byteLength(JSON.stringify(schema)) > MAX_SCHEMA_BYTES)
    return [issue([], `is longer than ${MAX_SCHEMA_BYTES / 1024} KiB`)];
  const issues: ProblemIssue[] = [];
  const places = new Set<string>();
  const left: Found[] = [{ schema, at: [] }];
  const seen = new Set<JsonValue>();
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (seen.size >= MAX_SUBSCHEMAS) return [issue([], `has more than ${MAX_SUBSCHEMAS} schemas`)];
    if (issues.length >= MAX_ISSUES) break;
    places.add(formatPointer(next.at));
    if (typeof next.schema === 'boolean') continue;
    if (!isObject(next.schema)) {
      issues.push(issue(next.at, 'has to be a schema: an object, true or false'));
      continue;
    }
    seen.add(next.schema);
    for (const [name, held] of Object.entries(next.schema)) {
      const place = [...next.at, name];
      const keyword = keywords.get(name);
      if (keyword === undefined) issues.push(issue(place, 'is no keyword that is known here'));
      else
        issues.push(
          ...checkKeyword(keyword, name, held, place),
          ...enter(keyword, held, place, left),
        );
    }
  }
  if (issues.length > 0) return issues.slice(0, MAX_ISSUES);
  return [...checkReferences(schema, seen, places)].slice(0, MAX_ISSUES);
}

/** A place in a schema. It is the author's own text; a name of it may be long all the same. */
function issue(at: Path, message: string): ProblemIssue {
  return { field: `body.schema${formatPointer(at).slice(0, 512)}`, message };
}

function checkKeyword(keyword: Keyword, name: string, held: JsonValue, at: Path): ProblemIssue[] {
  if (name === '$id' && at.length > 1) return [issue(at, 'may stand at the top alone')];
  if (keyword.holds === 'value') {
    const { error } = keyword.value.safeParse(held);
    return (error?.issues ?? []).slice(0, 1).map(({ message }) => issue(at, message));
  }
  if (name !== 'patternProperties' || !isObject(held)) return [];
  return Object.keys(held).flatMap((pattern) => {
    const reason = whyUnsafe(pattern);
    return reason === undefined ? [] : [issue([...at, pattern], reason)];
  });
}

/** Puts the schemas behind a keyword on the list of what is left to look at. */
function enter(keyword: Keyword, held: JsonValue, at: Path, left: Found[]): ProblemIssue[] {
  if (keyword.holds === 'value') return [];
  if (keyword.holds === 'schema') {
    left.push({ schema: held, at });
    return [];
  }
  const fits = keyword.holds === 'list' ? Array.isArray(held) && held.length > 0 : isObject(held);
  if (!fits || typeof held !== 'object' || held === null)
    return [
      issue(
        at,
        keyword.holds === 'list' ? 'has to be a list of schemas' : 'has to be an object of schemas',
      ),
    ];
  for (const [key, schema] of Object.entries(held))
    if (schema !== undefined) left.push({ schema, at: [...at, key] });
  return [];
}

/** The value that a `$ref` points to; undefined when there is none. */
function resolveReference(root: JsonObject, reference: string): JsonValue | undefined {
  let at: JsonValue | undefined = root;
  for (const part of pathOf(reference)) {
    if (Array.isArray(at)) at = at[Number(part)];
    else at = isObject(at) ? own(at, part) : undefined;
  }
  return at;
}

/** A reference is a URI fragment, percent-encoded (RFC 6901, section 6). */
export function pathOf(reference: string): Path {
  try {
    return parsePointer(decodeURIComponent(reference).slice(1));
  } catch {
    return ['%'];
  }
}

function* checkReferences(
  root: JsonObject,
  seen: ReadonlySet<JsonValue>,
  places: ReadonlySet<string>,
): Generator<ProblemIssue> {
  for (const schema of seen) {
    const reference = isObject(schema) ? own(schema, '$ref') : undefined;
    if (typeof reference !== 'string') continue;
    if (!places.has(formatPointer(pathOf(reference))))
      yield {
        field: 'body.schema',
        message: `has a $ref to ${reference.slice(0, 128)}, where no schema is`,
      };
  }
  const done = new Set<JsonValue>();
  for (const schema of seen)
    if (isCircular(root, schema, new Set(), done)) {
      yield issue(
        [],
        'has a $ref that leads back to itself before anything of an instance is looked at',
      );
      return;
    }
}

function isCircular(
  root: JsonObject,
  schema: JsonValue,
  above: Set<JsonValue>,
  done: Set<JsonValue>,
): boolean {
  if (!isObject(schema) || done.has(schema)) return false;
  if (above.has(schema)) return true;
  above.add(schema);
  const circular = partsOf(root, schema).some((part) => isCircular(root, part, above, done));
  above.delete(schema);
  done.add(schema);
  return circular;
}

/** The schemas that apply to the same place as this one: behind `$ref`, `allOf`, `anyOf`, `if` and the like. */
export function partsOf(root: JsonObject, schema: JsonObject): JsonValue[] {
  return Object.entries(schema).flatMap(([name, held]) => {
    if (name === '$ref' && typeof held === 'string') return [resolveReference(root, held) ?? false];
    const keyword = keywords.get(name);
    if (keyword === undefined || keyword.holds === 'value' || !keyword.inPlace) return [];
    if (keyword.holds === 'schema') return [held];
    return typeof held === 'object' && held !== null
      ? Object.values(held).flatMap((each) => each ?? [])
      : [];
  });
}

/** Every schema that a checked one holds and that is an object, itself first. */
export function* schemasIn(schema: JsonValue | undefined): Generator<JsonObject> {
  if (!isObject(schema)) return;
  yield schema;
  for (const [name, held] of Object.entries(schema)) {
    const keyword = keywords.get(name);
    if (keyword === undefined || keyword.holds === 'value') continue;
    const below = keyword.holds !== 'schema' && typeof held === 'object' && held !== null;
    for (const each of below ? Object.values(held) : [held]) yield* schemasIn(each);
  }
}
