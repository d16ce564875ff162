import { KeyMemory } from '../host/key-memory.ts';
import { libc } from '../host/libc.ts';
import { arePeersTold } from '../host/peers.ts';
import type { Health } from '../local-api/health.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';
import { reportedHealth } from './reported-health.ts';

const ADVICE = 'docs/memory.md says what it takes';

/** Whether what the agent holds stays in memory, and its own: of the one that runs, else of one that would here. */
export async function memory(host: Host): Promise<Found> {
  const { locked, dumpable, reason } = (await reportedHealth(host))?.memory ?? here();
  if (!locked) return warning(`keys of values may be swapped out: ${reason}`, ADVICE);
  if (dumpable)
    return warning('programs of the agent’s user, and cores of it, may hold its memory', ADVICE);
  return ok('keys are never swapped out, no core is written, and only root reads it');
}

/** Whether it is known which program asks, without which `users` of a socket cannot be held. */
export async function programs(host: Host): Promise<Found> {
  if ((await reportedHealth(host))?.peerCredentials ?? arePeersTold())
    return ok('it is known whose programs ask at unix sockets');
  const detail = 'it is not known whose programs ask at unix sockets';
  return host.config.localApi.sockets.some(({ users }) => users !== undefined)
    ? failed(detail, `take users out of localApi.sockets; ${ADVICE}`)
    : warning(`${detail}: the permissions of their files alone decide`, ADVICE);
}

function here(): Health['memory'] {
  const { unlockedBecause } = KeyMemory.locked();
  return {
    locked: unlockedBecause === undefined,
    dumpable: libc() === undefined,
    reason: unlockedBecause ?? null,
  };
}
