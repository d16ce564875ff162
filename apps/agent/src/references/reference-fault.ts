import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';
import { unusable } from './provider.ts';

/** What a provider threw, as an error of the reference; a defect of the agent's own as it is. */
export function referenceFault(error: unknown): unknown {
  if (error instanceof AgentError) {
    const isOwn = error.code.startsWith('reference.') || error.code === 'agent.busy';
    if (isOwn) return error;
    // Such as that a file of credentials cannot be read: its sentence says which.
    const { message, advice, retryable } = error;
    return new AgentError('reference.failed', message, { advice, retryable, cause: error });
  }
  const code = codeOf(error);
  return code === undefined
    ? error
    : unusable(`the reference cannot be resolved (${code})`, undefined, error);
}
