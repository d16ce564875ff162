import {
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type YAMLMap,
} from 'yaml';
import type { Findings } from './findings.ts';

type Fault = { at: number; what: string };

const NO_COLON =
  'a key without a colon; in { } a colon needs a space after it, and a value with a comma quotes around it';

const OPTIONS = {
  // No sets, dates or bytes, whatever the file says it is.
  schema: 'core',
  resolveKnownTags: false,
  stringKeys: true,
  // The library compares each key with all before it.
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'error',
} as const;

/**
 * The document, or undefined with the problem told. YAML's own messages quote the line, so only its code is kept.
 * The findings know from then on which line a key is on, and whether it may be a part of a value.
 */
export function parseYaml(file: string, text: string, findings: Findings): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { ...OPTIONS, lineCounter });
  const fault = faultOf(document);
  if (fault !== undefined) {
    const { line, col } = lineCounter.linePos(fault.at);
    findings.problems.push(`${file}, line ${line}, column ${col}: ${fault.what}`);
    return undefined;
  }
  findings.lineOf = (path) => {
    const at = startOf(pairAt(mapOf(document, path), path)?.key);
    return at === undefined ? undefined : lineCounter.linePos(at).line;
  };
  findings.mayBeOfValue = (path) => mayBeCutOff(document, path);
  try {
    return document.toJS() ?? {};
  } catch {
    findings.problems.push(
      `${file}: not valid YAML; an alias names no anchor, or expands to too much`,
    );
    return undefined;
  }
}

/** The first: what comes after it is most often of the same mistake. */
function faultOf(document: Document.Parsed): Fault | undefined {
  const notValid = (code: string) => `not valid YAML (${code})`;
  const [told] = [...document.errors, ...document.warnings];
  if (told !== undefined) return { at: told.pos[0], what: notValid(told.code) };
  const faults: Fault[] = [];
  visit(document, {
    Map(_, { items, flow }) {
      const seen = new Set<unknown>();
      for (const { key, value } of items) {
        if (!isScalar(key)) continue;
        const at = key.range?.[0] ?? 0;
        // Most likely of a value: what its comma cut off, or all of it with its key, for want of a space.
        if (flow === true && value === null) faults.push({ at, what: NO_COLON });
        if (seen.has(key.value)) faults.push({ at, what: notValid('DUPLICATE_KEY') });
        // What copies an object takes it for the prototype, and leaves it out.
        if (key.value === '__proto__') faults.push({ at, what: '__proto__ cannot be a key' });
        seen.add(key.value);
      }
      return faults.length > 0 ? visit.BREAK : undefined;
    },
  });
  return faults[0];
}

/**
 * Whether a key may be what a comma cut off a value without quotes, as `def` in `{ token: abc,def: ghi }` and in
 * `[abc,def: ghi]`, where no brace opens the mapping.
 */
function mayBeCutOff(document: Document.Parsed, path: readonly PropertyKey[]): boolean {
  const map = mapOf(document, path);
  const pair = map?.flow === true ? pairAt(map, path) : undefined;
  if (map === undefined || pair === undefined) return false;
  const before = map.items.slice(0, map.items.indexOf(pair));
  const isAfterBare = before.some(({ value }) => isScalar(value) && value.type === 'PLAIN');
  return isAfterBare || startOf(map) === startOf(pair.key);
}

/** The mapping that a key is in, which may be that of an alias. */
function mapOf(document: Document.Parsed, path: readonly PropertyKey[]): YAMLMap | undefined {
  const inner = (node: unknown) => (isAlias(node) ? node.resolve(document) : node);
  const found = path.slice(0, -1).reduce<unknown>((node, part) => {
    const parent = inner(node);
    return isCollection(parent) ? parent.get(part, true) : undefined;
  }, document.contents);
  const map = inner(found);
  return isMap(map) ? map : undefined;
}

function pairAt(map: YAMLMap | undefined, path: readonly PropertyKey[]) {
  return map?.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
