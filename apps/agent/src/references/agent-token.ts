import { AgentError } from '../agent-error.ts';
import { agentToken } from '../files/token-file.ts';
import { unusable } from './provider.ts';
import { parseReference } from './reference.ts';
import type { Resolver } from './resolver.ts';

/**
 * The agent token that a reference leads to now. It is kept nowhere, and asked for anew by the next session.
 *
 * @throws AgentError `reference.*`, all of which somebody may mend meanwhile
 */
export async function readReferencedToken(
  uri: string,
  resolver: Pick<Resolver, 'resolveFresh'>,
): Promise<string> {
  try {
    const value = await resolver.resolveFresh(parseReference(uri, 'tokenReference'));
    const token = value.toString('latin1').trim();
    value.fill(0);
    if (agentToken.pattern.test(token)) return token;
    throw unusable(`tokenReference leads to no ${agentToken.called}`, agentToken.advice);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const { code, message, advice, retryAfterMs } = error;
    const details = { advice, retryAfterMs, retryable: true, cause: error };
    throw new AgentError(code, `the agent token is not to be had: ${message}`, details);
  }
}
