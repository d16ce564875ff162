import { AgentError } from '../agent-error.ts';
import { LocalClient } from '../cli/local-client.ts';
import { health, type Health } from '../local-api/health.ts';
import type { Host } from './host.ts';

/** What the agent that answers at the socket says of itself; undefined where none does, or one of another identity. */
export async function reportedHealth(host: Host): Promise<Health | undefined> {
  try {
    const reported = await new LocalClient(host.config.socket).read('/healthz', health);
    const identity = await host.openIdentity().catch(() => undefined);
    return (identity?.agentId ?? reported.agent.id) === reported.agent.id ? reported : undefined;
  } catch (error) {
    // Why it does not answer is for the check of the socket to tell.
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}
