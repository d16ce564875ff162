import { AgentError, internalError } from '../agent-error.ts';
import { ACCESS_DENIED, callOf, codeOf } from '../state/system-error.ts';
import { NOT_GIVEN } from './ownership.ts';

/** `file.unusable` for a system error met while a file was written; an AgentError as it is. */
export function fileFault(error: unknown, path: string): AgentError {
  if (error instanceof AgentError) return error;
  const code = codeOf(error);
  if (code === undefined) return internalError(error);
  if (callOf(error) === 'fchown')
    return new AgentError('file.unusable', `${path} ${NOT_GIVEN} (${code})`, {
      advice:
        'run render as a user who may do that, or leave out --owner and --group, and --backup where the file before is somebody else’s',
      cause: error,
    });
  if (code === ACCESS_DENIED)
    return new AgentError(
      'file.unusable',
      `${path} may not be written under Node’s permission model`,
      {
        advice:
          'let Node read and write its directory (--allow-fs-read, --allow-fs-write), and leave its mode at 0600',
        cause: error,
      },
    );
  return new AgentError('file.unusable', `${path} cannot be written (${code})`, {
    advice: 'make its directory one that this user may write, with space left',
    cause: error,
  });
}
