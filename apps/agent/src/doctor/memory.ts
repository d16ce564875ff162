import { AgentError } from '../agent-error.ts';
import { LocalClient } from '../cli/local-client.ts';
import { KeyMemory } from '../host/key-memory.ts';
import { libc } from '../host/libc.ts';
import { arePeersTold } from '../host/peers.ts';
import { health, type Health } from '../local-api/health.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

const ADVICE = 'docs/memory.md says what it takes';

/** Whether what the agent holds stays in memory, and its own: of the one that runs, else of one that would here. */
export async function memory(host: Host): Promise<Found> {
  const { locked, dumpable, reason } = (await running(host))?.memory ?? here();
  if (!locked) return warning(`keys of values may be swapped out: ${reason}`, ADVICE);
  if (dumpable)
    return warning('programs of the agent’s user, and cores of it, may hold its memory', ADVICE);
  return ok('keys are never swapped out, no core is written, and only root reads it');
}

/** Whether it is known which program asks, without which `users` of a socket cannot be held. */
export async function programs(host: Host): Promise<Found> {
  if ((await running(host))?.peerCredentials ?? arePeersTold())
    return ok('it is known whose programs ask at unix sockets');
  const detail = 'it is not known whose programs ask at unix sockets';
  return host.config.localApi.sockets.some(({ users }) => users !== undefined)
    ? failed(detail, `take users out of localApi.sockets; ${ADVICE}`)
    : warning(`${detail}: the permissions of their files alone decide`, ADVICE);
}

async function running({ config }: Host): Promise<Health | undefined> {
  try {
    return await new LocalClient(config.socket).read('/healthz', health);
  } catch (error) {
    // Why none answers is for the check of the socket to tell.
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}

function here(): Health['memory'] {
  const { unlockedBecause } = KeyMemory.locked();
  return {
    locked: unlockedBecause === undefined,
    dumpable: libc() === undefined,
    reason: unlockedBecause ?? null,
  };
}
