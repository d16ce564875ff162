import { looksSecret, type JsonObject, type JsonValue } from '@sallyport/contract';
import { covers, formatPointer, type Path } from '@sallyport/crypto/json-pointer';

/** Which fields are encrypted, and which are in clear on purpose. */
export type Marks = { encrypted: readonly Path[]; public: readonly Path[] };

export function isMarked({ encrypted, public: inClear }: Marks, at: Path): boolean {
  return [...encrypted, ...inClear].some((pattern) => covers(pattern, at));
}

/**
 * Where text stands in clear under a name that looks secret, as JSON Pointers. Numbers, booleans and null are not
 * taken for secrets.
 */
export function secretsInClear(config: JsonObject, marks: Marks): string[] {
  const found: string[] = [];
  const search = (value: JsonValue, at: Path, suspect: boolean): void => {
    if (isMarked(marks, at)) return;
    if (typeof value === 'string' && value !== '' && suspect) found.push(formatPointer(at));
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const named = !Array.isArray(value) && looksSecret(key);
      if (inner !== undefined) search(inner, [...at, key], suspect || named);
    }
  };
  search(config, [], false);
  return found;
}
