import { AgentError, internalError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

/** `file.unusable` for a system error met while a file was written; an AgentError as it is. */
export function fileFault(error: unknown, path: string): AgentError {
  if (error instanceof AgentError) return error;
  const code = codeOf(error);
  if (code === undefined) return internalError(error);
  return new AgentError('file.unusable', `${path} cannot be written (${code})`, {
    advice: 'make its directory one that this user may write, with space left',
    cause: error,
  });
}
