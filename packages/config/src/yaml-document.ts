import { isMap, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml';
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
 * The findings know from then on which line a key is on.
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
    const at = offsetOf(document, path);
    return at === undefined ? undefined : lineCounter.linePos(at).line;
  };
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

/** Undefined for a key that is not there itself, but by an alias. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number | undefined {
  const parent = document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}
