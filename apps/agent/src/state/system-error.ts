/** The code of a system error (`ENOENT`), undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  const code =
    Error.isError(error) && 'code' in error && 'syscall' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
