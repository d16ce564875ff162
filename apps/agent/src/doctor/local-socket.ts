import { constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AgentError } from '../agent-error.ts';
import { LocalClient } from '../cli/local-client.ts';
import { health, type Health } from '../local-api/health.ts';
import { socketAccessOf } from '../local-api/socket-access.ts';
import { isLocked } from '../state/lock.ts';
import { mayUse } from './files.ts';
import { failed, foundOf, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

/** What programs use. That nothing answers is no fault where no agent runs. */
export async function localSocket(host: Host): Promise<Found> {
  const { socket, stateDir } = host.config;
  try {
    const { status, agent, controlPlane } = await new LocalClient(socket).read('/healthz', health);
    const { agentId } = await host.identity();
    if (agent.id === agentId) return running(`the agent at ${socket} is ${status}`, controlPlane);
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

/** Those of further programs: whom they are for, and the folders that they are made in. */
export async function programSockets({ config }: Host): Promise<Found[]> {
  const { sockets } = config.localApi;
  if (sockets.length === 0) return [ok('none is set')];
  const looked = sockets.map(async (socket) => {
    socketAccessOf(socket);
    return mayUse(dirname(socket.path), constants.W_OK | constants.X_OK, 'localApi.sockets');
  });
  return Promise.all(looked.map((found) => found.catch(foundOf)));
}

/** A link that is good is of no use to an agent that the control plane refuses: it knows why. */
function running(told: string, { state, since, lastError }: Health['controlPlane']): Found {
  if (state === 'connected' || lastError === null) return ok(told);
  const { code, message, advice } = lastError;
  const because = `${told}: the control plane is ${state} since ${since}, ${code}: ${message}`;
  return (state === 'refused' ? failed : warning)(because, advice ?? undefined);
}
