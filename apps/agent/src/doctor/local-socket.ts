import { AgentError } from '../agent-error.ts';
import { LocalClient } from '../cli/local-client.ts';
import { health } from '../local-api/health.ts';
import { isLocked } from '../state/lock.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

/** What programs use. That nothing answers is no fault where no agent runs. */
export async function localSocket(host: Host): Promise<Found> {
  const { socket, stateDir } = host.config;
  try {
    const { status, agent } = await new LocalClient(socket).read('/healthz', health);
    const { agentId } = await host.identity();
    if (agent.id === agentId) return ok(`the agent at ${socket} is ${status}`);
    return failed(
      `the agent at ${socket} is another one, ${agent.name} (${agent.id})`,
      'name the right socket with --socket, or the right directory with --state-dir',
    );
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'agent.unreachable') throw error;
    const tell = isLocked(stateDir) ? failed : warning;
    return tell(error.message, error.advice);
  }
}
