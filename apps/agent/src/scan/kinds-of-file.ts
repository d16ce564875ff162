import { basename, extname } from 'node:path';

/** What a package manager writes: names of packages, which may be called after secrets, beside versions and checksums. */
const LOCK_FILES = new Set([
  ...['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock'],
  ...['deno.lock', 'Cargo.lock', 'go.sum', 'composer.lock', 'Gemfile.lock', 'mix.lock'],
  ...['poetry.lock', 'Pipfile.lock', 'pdm.lock', 'uv.lock', 'packages.lock.json', 'flake.lock'],
]);

/** Languages that write a type after a colon, and every text in quotes. */
const TYPED_CODE = new Set([
  ...['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs', '.py', '.pyi'],
  ...['.go', '.rs', '.java', '.kt', '.kts', '.scala', '.swift', '.cs', '.dart'],
]);

/** A key and its value on each line, where a value goes to the end of its line without quotes. */
const SETTINGS = new Set([
  ...['.env', '.yaml', '.yml', '.ini', '.cfg', '.conf', '.cnf', '.properties'],
]);

export type KindOfText = 'typed code' | 'settings' | 'other';

export function isLockFile(path: string): boolean {
  return LOCK_FILES.has(basename(path));
}

export function kindOf(path: string): KindOfText {
  const extension = extname(path).toLowerCase();
  if (TYPED_CODE.has(extension)) return 'typed code';
  return SETTINGS.has(extension) || basename(path).startsWith('.env') ? 'settings' : 'other';
}
