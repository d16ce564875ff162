/**
 * The code of a system error (`ENOENT`), undefined for any other error. It asks for no class: an error that
 * was made in another realm is no `Error` of this one.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const code = 'code' in error && 'syscall' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
