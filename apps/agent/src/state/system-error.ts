import { AgentError } from '../agent-error.ts';

/** What Node's permission model refuses, in place of the system. */
export const ACCESS_DENIED = 'ERR_ACCESS_DENIED';

/** The code of a system error (`ENOENT`), or `ERR_ACCESS_DENIED`; undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  const code = Error.isError(error) && 'code' in error ? error.code : undefined;
  if (code === ACCESS_DENIED) return code;
  return typeof code === 'string' && Error.isError(error) && 'syscall' in error ? code : undefined;
}

/** The system call that failed so (`fchown`), undefined for any other error. */
export function callOf(error: unknown): string | undefined {
  return codeOf(error) !== undefined && Error.isError(error) && 'syscall' in error
    ? String(error.syscall)
    : undefined;
}

/** The path that the system call was about, where it says so. */
export function pathOf(error: unknown): string | undefined {
  return codeOf(error) !== undefined && Error.isError(error) && 'path' in error
    ? String(error.path)
    : undefined;
}

/** `state.unusable` for a system error met at a path of the state directory; any other error as it is. */
export function unusable(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  return new AgentError('state.unusable', `${path} cannot be used (${code})`, {
    advice: 'make it a directory that this user may write, with space left',
    cause: error,
  });
}
