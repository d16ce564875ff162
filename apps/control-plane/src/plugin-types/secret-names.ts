import type { JsonObject, JsonValue } from '@sallyport/contract';
import { covers, formatPointer, type Path } from '@sallyport/crypto/json-pointer';

/** Parts of names of what should not stand in clear; compared without case, `_`, `-` and the like. */
const SECRET_PARTS = [
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'credential',
  'apikey',
  'accesskey',
  'privatekey',
  'sshkey',
  'signingkey',
  'encryptionkey',
  'connectionstring',
];
/** Too short to be looked for inside of other words. */
const SECRET_WORDS = new Set(['pass', 'pwd', 'psk', 'pem', 'dsn', 'bearer']);

/** Whether a field of this name probably holds a secret. */
export function looksSecret(name: string): boolean {
  const letters = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const [lastWord = ''] = name
    .replaceAll(/([a-z0-9])(?=[A-Z])/g, '$1 ')
    .split(/[^A-Za-z0-9]+/)
    .slice(-1);
  return (
    SECRET_PARTS.some((part) => letters.includes(part)) || SECRET_WORDS.has(lastWord.toLowerCase())
  );
}

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
