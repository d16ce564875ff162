import type { IncomingHttpHeaders } from 'node:http';
import { AgentError } from '../agent-error.ts';
import type { ReferenceOf, Scheme } from './reference.ts';

/**
 * What resolves the references of one scheme. It fetches nothing by itself, keeps no value, and waits no longer than
 * its signal says.
 */
export type Provider<Each extends Scheme> = {
  /**
   * The value that is there now; the caller zeroes it.
   *
   * @throws AgentError by a function of this file; one that is `retryable` keeps others from asking for a while, and
   * what else it throws counts as `unusable`
   */
  resolve(reference: ReferenceOf<Each>, signal: AbortSignal): Promise<Buffer>;
  /** Gives back what it got for itself, within seconds, and ends its connections. */
  close?(): void | Promise<void>;
};

/** There is nothing, or no such field, version or key. */
export function notThere(what: string, advice: string): AgentError {
  return new AgentError('reference.not_found', what, { advice });
}

/** The agent may not: by its own configuration, or by what the provider answers. */
export function denied(what: string, advice: string): AgentError {
  return new AgentError('reference.denied', what, { advice });
}

/** The agent itself is not let in, whatever it asks for. */
export function turnedAway(provider: string, key: string): AgentError {
  return new AgentError('reference.denied', `${provider} does not accept the agent’s credentials`, {
    advice: `mend those of ${key}`,
    retryable: true,
  });
}

/** No answer, or one that says to come back; others who ask this provider would fare the same. */
export function unreachable(what: string, retryAfterMs?: number, cause?: unknown): AgentError {
  return new AgentError('reference.unreachable', what, { retryable: true, retryAfterMs, cause });
}

/** Asked too often. */
export function limited(provider: string, retryAfterMs: number | undefined): AgentError {
  return new AgentError('reference.rate_limited', `${provider} is asked too often`, {
    advice: 'wait, as long as Retry-After says, or raise references.cacheSeconds',
    retryable: true,
    retryAfterMs,
  });
}

/** An answer of which nothing can be made. */
export function unusable(what: string, advice?: string, cause?: unknown): AgentError {
  return new AgentError('reference.failed', what, { advice, cause });
}

const LONGEST_RETRY_AFTER_MS = 300_000;

/** What a reply asks to wait (RFC 9110, section 10.2.3), five minutes at most. */
export function retryAfterOf(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const text = headers['retry-after'];
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS);
}
