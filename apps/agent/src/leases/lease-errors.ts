import { AgentError, faultOf } from '../agent-error.ts';

/** What the control plane says of a secret or a lease is for the program; what else is in the way is not. */
export function lendingRefusal(error: unknown): never {
  if (error instanceof AgentError && /^(?:secret|lease)\.|^agent\.revoked$/.test(error.code))
    throw error;
  const { code, retryAfterMs } = faultOf(error);
  throw code === 'rate.limited'
    ? new AgentError('lease.unavailable', 'this agent takes leases more often than it may', {
        advice: 'try again, after as long as Retry-After says',
        retryAfterMs,
        cause: error,
      })
    : new AgentError(
        'lease.unavailable',
        `the control plane, which lends this secret, does not answer as it should (${code})`,
        {
          advice: 'try again; see how the agent is with: sallyport-agent status',
          retryAfterMs,
          cause: error,
        },
      );
}

/**
 * Whether a lease that was asked for may have been granted: its reply may be what was lost. One that was asked for too
 * often was not.
 */
export function mayBeLent(error: unknown): boolean {
  return error instanceof AgentError && error.retryable && (error.status ?? 500) >= 500;
}

export function notFound(): AgentError {
  return new AgentError('lease.not_found', 'there is no such lease here', {
    advice: 'take one with: sallyport-agent lease take',
  });
}

export function usedUp(): AgentError {
  return over('lease.used_up', 'the value of this lease was read as often as it may be');
}

export function expired(): AgentError {
  return over('lease.expired', 'this lease has expired');
}

export function ended(): AgentError {
  return over('lease.ended', 'this lease was ended before its time');
}

function over(code: 'lease.used_up' | 'lease.expired' | 'lease.ended', what: string): AgentError {
  return new AgentError(code, what, { advice: 'take another one' });
}
