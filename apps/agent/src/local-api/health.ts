import type { Agent } from '../agent.ts';
import type { DurableState } from '../state/durable-store.ts';
import type { Identity } from '../state/identity.ts';
import { VERSION } from '../version.ts';

/** `stale` still serves: its values were current at `staleSince`. */
export type HealthStatus = 'starting' | 'ready' | 'stale' | 'revoked';

/** The body of `GET /healthz`. Instants are ISO 8601; nothing in it is secret. */
export type Health = {
  status: HealthStatus;
  version: string;
  agent: { id: string; name: string; group: string };
  revision: number;
  epoch: number;
  entries: number;
  /** Null while the values are known to be current. */
  staleSince: string | null;
  /** True while this process serves what an earlier one kept on disk, and has not reached the control plane yet. */
  offline: boolean;
  controlPlane: {
    url: string;
    state: string;
    since: string;
    lastError: { code: string; message: string; advice: string | null; at: string } | null;
  };
  durable: { revision: number | null; bytes: number; error: string | null };
  clockOffsetMilliseconds: number | null;
};

export type HealthParts = { agent: Agent; identity: Identity; durable: () => DurableState };

/** The truth about the agent, as far as it knows it. */
export function describeHealth({ agent, identity, durable }: HealthParts): Health {
  const { contact, cache } = agent;
  const held = cache.revision();
  const disk = durable();
  const offsetMs = agent.serverClock.offsetMs();
  return {
    status: statusOf(agent),
    version: VERSION,
    agent: { id: identity.agentId, name: identity.name, group: identity.group.name },
    revision: held?.revision ?? 0,
    epoch: held?.epoch ?? 0,
    entries: cache.size().entries,
    staleSince: isoOrNull(held && contact.staleSinceMs()),
    offline: held !== undefined && !contact.hasBeenMade,
    controlPlane: {
      url: identity.controlPlane,
      state: contact.state,
      since: new Date(contact.sinceMs).toISOString(),
      lastError: lastErrorOf(agent),
    },
    durable: { revision: disk.revision ?? null, bytes: disk.bytes, error: disk.error ?? null },
    clockOffsetMilliseconds: offsetMs === undefined ? null : Math.round(offsetMs),
  };
}

function statusOf({ isRevoked, cache, contact }: Agent): HealthStatus {
  if (isRevoked) return 'revoked';
  if (cache.revision() === undefined) return 'starting';
  return contact.staleSinceMs() === undefined ? 'ready' : 'stale';
}

function lastErrorOf({ contact }: Agent): Health['controlPlane']['lastError'] {
  if (contact.lastError === undefined) return null;
  const { code, message, advice, atMs } = contact.lastError;
  return { code, message, advice: advice ?? null, at: new Date(atMs).toISOString() };
}

function isoOrNull(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString();
}
