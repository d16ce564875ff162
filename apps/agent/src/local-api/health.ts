import type { AgentMethod } from '@sallyport/contract';
import { isWeakSuite } from '@sallyport/tls/cipher-suites';
import type { TlsParameters } from '@sallyport/tls/https-link';
import { z } from 'zod';
import type { Agent } from '../agent.ts';
import type { AgentEvents } from '../events/agent-events.ts';
import type { CertificateFileState } from '../files/certificate-files.ts';
import { libc } from '../host/libc.ts';
import { arePeersTold } from '../host/peers.ts';
import type { ImportState } from '../offline/imported-bundles.ts';
import type { ProviderState } from '../references/guarded-providers.ts';
import type { ResourceState } from '../resources/resource-monitor.ts';
import type { Validity } from '../state/client-certificate.ts';
import type { DurableState } from '../state/durable-store.ts';
import type { Identity } from '../state/identity.ts';
import type { EntryKind } from '../sync/open-bundle.ts';
import { VERSION } from '../version.ts';
import { condition, conditionsOf } from './conditions.ts';
import { everything, type Rights } from './rights.ts';

/** `stale` still serves: its values were current at `staleSince`. */
export const healthStatus = z.enum(['starting', 'ready', 'stale', 'revoked']);

/**
 * The body of `GET /healthz`; nothing in it is secret. `staleSince` is null while the values are known to
 * be current. `offline` is true while this process serves what an earlier one kept on disk, and has not
 * reached the control plane yet. `tlsWeak` says whether the newest connection to it has a weak cipher suite,
 * and is null before the first.
 */
export const health = z.object({
  status: healthStatus,
  version: z.string(),
  agent: z.object({ id: z.string(), name: z.string(), group: z.string() }),
  revision: z.int(),
  epoch: z.int(),
  entries: z.int(),
  /** Secrets among them that are not served for now: they are older than `freshness` allows. */
  withheld: z.int().default(0),
  staleSince: z.iso.datetime().nullable(),
  offline: z.boolean(),
  /** `url` is null where the control plane dials; `peer` is then where it last did from, null before. */
  controlPlane: z.object({
    url: z.string().nullable(),
    peer: z.string().nullable().default(null),
    state: z.string(),
    since: z.iso.datetime(),
    lastError: z
      .object({
        code: z.string(),
        message: z.string(),
        advice: z.string().nullable(),
        at: z.iso.datetime(),
      })
      .nullable(),
  }),
  tlsWeak: z.boolean().nullable(),
  /** How sessions are opened; `expiresAt` is of the client certificate, null without one. */
  authentication: z.object({ method: z.string(), expiresAt: z.iso.datetime().nullable() }),
  /** What keeps files of keys, CAs and tokens from being taken, and whether what they held before counts. */
  fileProblems: z.array(z.string()),
  durable: z.object({ revision: z.int().nullable(), bytes: z.int(), error: z.string().nullable() }),
  /** `version` is what the file holds, null before the first; `error` says why it is not the newest. */
  files: z.array(
    z.object({
      path: z.string(),
      certificate: z.string(),
      version: z.int().nullable(),
      error: z.string().nullable(),
    }),
  ),
  /** What references were resolved by, since the start; `failing` while it is left alone because it fails. */
  providers: z.array(
    z.object({
      provider: z.string(),
      calls: z.int(),
      failures: z.int(),
      cacheHits: z.int(),
      failing: z
        .object({ code: z.string(), message: z.string(), since: z.iso.datetime() })
        .nullable(),
    }),
  ),
  /** The bundle that was imported last; `expiresAt` is null for none, and once the control plane was reached. */
  imported: z.object({
    revision: z.int().nullable(),
    issuedAt: z.iso.datetime().nullable(),
    expiresAt: z.iso.datetime().nullable(),
    error: z.string().nullable(),
  }),
  clockOffsetMilliseconds: z.int().nullable(),
  /** Whether this host says which program is at the other end of a unix socket. */
  peerCredentials: z.boolean(),
  /** `locked`: no swap, core or child gets the keys of the values. `dumpable`: programs of the agent’s user may read all of it. */
  memory: z.object({ locked: z.boolean(), dumpable: z.boolean(), reason: z.string().nullable() }),
  /** What the agent takes of its host, null before it has looked; `alarms` is what it is short of. */
  resources: z.object({
    memoryBytes: z.int().nullable(),
    cpuPercent: z.int().nullable(),
    freeDiskBytes: z.int().nullable(),
    alarms: z.array(z.enum(['memory', 'cpu', 'disk'])),
  }),
  /** Audit events: batches that the control plane does not have yet, and events that were dropped since the start, and those of them that it was not told of. */
  events: z.object({ waiting: z.int(), dropped: z.int(), untold: z.int() }),
  /** Everything that is not as it should be; empty for a healthy agent. */
  conditions: z.array(condition),
});

export type HealthStatus = z.infer<typeof healthStatus>;
export type Health = z.infer<typeof health>;

export type HealthParts = {
  agent: Agent;
  identity: Identity;
  tls: () => TlsParameters | undefined;
  /** Absent: the agent dials. */
  isDialled?: boolean;
  authentication: AgentMethod;
  /** Of the client certificate. */
  identityValidity: () => Validity | undefined;
  fileProblems: () => string[];
  durable: () => DurableState;
  files: () => CertificateFileState[];
  resources?: () => ResourceState;
  eventsState?: () => ReturnType<AgentEvents['state']>;
  imported?: () => ImportState;
};

/** The truth about the agent, as far as it knows it. */
export function describeHealth(parts: HealthParts): Health {
  const described = describe(parts);
  return {
    ...described,
    conditions: conditionsOf(described, parts.identityValidity(), Date.now()),
  };
}

function describe({
  agent,
  identity,
  tls,
  isDialled = false,
  authentication,
  identityValidity,
  fileProblems,
  durable,
  files,
  resources = () => ({ usage: undefined, alarms: [] }),
  eventsState = () => ({ waiting: 0, dropped: 0, untold: 0 }),
  imported = () => ({}),
}: HealthParts): Omit<Health, 'conditions'> {
  const { contact, cache } = agent;
  const held = cache.revision();
  const disk = durable();
  const suite = tls()?.cipher;
  const offsetMs = agent.serverClock.offsetMs();
  return {
    status: statusOf(agent),
    version: VERSION,
    agent: { id: identity.agentId, name: identity.name, group: agent.group.name },
    revision: held?.revision ?? 0,
    epoch: held?.epoch ?? 0,
    entries: cache.size().entries,
    withheld: withheldBy(agent, everything),
    staleSince: isoOrNull(held && contact.staleSinceMs()),
    offline: held !== undefined && !contact.hasBeenMade,
    controlPlane: {
      ...(isDialled
        ? { url: null, peer: tls()?.peerAddress ?? null }
        : { url: identity.controlPlane, peer: null }),
      state: contact.state,
      since: new Date(contact.sinceMs).toISOString(),
      lastError: lastErrorOf(agent),
    },
    tlsWeak: suite === undefined ? null : isWeakSuite(suite),
    authentication: {
      method: authentication,
      expiresAt: isoOrNull(identityValidity()?.notAfterMs),
    },
    fileProblems: fileProblems(),
    durable: { revision: disk.revision ?? null, bytes: disk.bytes, error: disk.error ?? null },
    files: files(),
    providers: agent.references.providers().map(providerOf),
    imported: importedAs(imported()),
    clockOffsetMilliseconds: offsetMs === undefined ? null : Math.round(offsetMs),
    peerCredentials: arePeersTold(),
    memory: memoryOf(agent),
    resources: resourcesOf(resources()),
    events: eventsState(),
  };
}

/** What programs with these rights are told: nothing of what they may not read, and of no file of the agent's. */
export function healthFor(whole: Health, parts: HealthParts, rights: Rights): Health {
  const { agent } = parts;
  if (rights === everything) return whole;
  const mayRead = (kind: EntryKind) =>
    agent.cache.list(kind).filter(({ name }) => rights.allows(kind, name)).length;
  const told = {
    ...whole,
    entries: mayRead('secret') + mayRead('reference') + mayRead('plugin') + mayRead('certificate'),
    withheld: withheldBy(agent, rights),
    fileProblems: [],
    providers: [],
    files: whole.files.filter(({ certificate }) => rights.allows('certificate', certificate)),
  };
  return { ...told, conditions: conditionsOf(told, parts.identityValidity(), Date.now()) };
}

function withheldBy({ cache, contact, freshness }: Agent, rights: Rights): number {
  return cache
    .list('secret')
    .filter(({ name }) => rights.allows('secret', name) && freshness.withholds(name, contact))
    .length;
}

function providerOf({ scheme, calls, failures, hits, failing }: ProviderState) {
  const since = failing && new Date(failing.sinceMs).toISOString();
  return {
    provider: scheme,
    calls,
    failures,
    cacheHits: hits,
    failing: failing && since ? { code: failing.code, message: failing.message, since } : null,
  };
}

function resourcesOf({ usage, alarms }: ResourceState): Health['resources'] {
  const { memoryBytes = null, cpuPercent = null, freeDiskBytes = null } = usage ?? {};
  return { memoryBytes, cpuPercent, freeDiskBytes, alarms };
}

function statusOf({ isRevoked, cache, contact }: Agent): HealthStatus {
  if (isRevoked) return 'revoked';
  if (cache.revision() === undefined) return 'starting';
  return contact.staleSinceMs() === undefined ? 'ready' : 'stale';
}

function memoryOf({ keyMemory: { unlockedBecause } }: Agent): Health['memory'] {
  return {
    locked: unlockedBecause === undefined,
    dumpable: libc()?.areDumpsForbidden() !== true,
    reason: unlockedBecause ?? null,
  };
}

function lastErrorOf({ contact }: Agent): Health['controlPlane']['lastError'] {
  if (contact.lastError === undefined) return null;
  const { code, message, advice, atMs } = contact.lastError;
  return { code, message, advice: advice ?? null, at: new Date(atMs).toISOString() };
}

function importedAs({ revision, issuedAtMs, expiresAtMs, error }: ImportState): Health['imported'] {
  return {
    revision: revision ?? null,
    issuedAt: isoOrNull(issuedAtMs),
    expiresAt: isoOrNull(expiresAtMs),
    error: error ?? null,
  };
}

function isoOrNull(epochMs: number | null | undefined): string | null {
  return epochMs === undefined || epochMs === null ? null : new Date(epochMs).toISOString();
}
