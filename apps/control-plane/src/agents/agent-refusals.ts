import type { AgentMethod } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';

/** What a revoked agent is told, and what makes it wipe its cache. */
export function agentRevoked(): AppError {
  return new AppError(
    'agent.revoked',
    'This agent was revoked; enrol it again if it should come back.',
  );
}

export function agentUnknown(): AppError {
  return new AppError('agent.unknown', 'No agent of this id is enrolled here; enrol it again.');
}

/** Told to whichever of two hosts with the same state comes second. */
export function agentCloned(): AppError {
  return new AppError(
    'agent.cloned',
    'This agent’s state was used elsewhere since it was here: a copy of it runs, or an old backup was put back. If this host is the right one, enrol it anew.',
  );
}

export function methodRefused(method: AgentMethod): AppError {
  const what = method === 'key' ? 'its key alone' : 'an agent token';
  return new AppError(
    'agent.method_refused',
    `This group’s agents may not open sessions with ${what}; configure another way, or have an administrator allow it for the group.`,
  );
}

export function agentTokenRevoked(): AppError {
  return new AppError(
    'agent_token.revoked',
    'This agent token was revoked; put a new one in its place.',
  );
}

export function agentTokenExpired(): AppError {
  return new AppError(
    'agent_token.expired',
    'This agent token has expired; put a new one in its place.',
  );
}

/** Also for a token whose secret is another one. */
export function agentTokenUnknown(): AppError {
  return new AppError(
    'agent_token.unknown',
    'The agent token is not known here; put the one in its place that was made for this agent.',
  );
}
