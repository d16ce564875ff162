/** What keeps the embedded server from running, in words for the person who started it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** The code of an operating system's error: `ENOENT`, `EPERM`, … */
export function systemErrorCode(cause: unknown): string | undefined {
  // Not instanceof: errors of node:fs come from another realm where the caller runs in a vm context.
  return Error.isError(cause) && 'code' in cause ? String(cause.code) : undefined;
}
