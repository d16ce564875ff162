import { AgentError } from '../agent-error.ts';
import { LocalClient } from '../cli/local-client.ts';
import { health, type Health } from '../local-api/health.ts';
import type { Host } from './host.ts';

/** What the agent that answers at the socket says of itself; undefined where none does. */
export async function reportedHealth({ config }: Host): Promise<Health | undefined> {
  try {
    return await new LocalClient(config.socket).read('/healthz', health);
  } catch (error) {
    // Why none answers is for the check of the socket to tell.
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}
