/** The code of a system error, such as `ENOENT`; undefined for any other. */
export function codeOf(error: unknown): string | undefined {
  return Error.isError(error) && 'code' in error ? String(error.code) : undefined;
}

/** The same, to be put behind what could not be done. */
export function codeBehind(error: unknown): string {
  const code = codeOf(error);
  return code === undefined ? '' : ` (${code})`;
}
