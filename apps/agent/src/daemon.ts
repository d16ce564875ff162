import type { Environment } from '@sallyport/config/load';
import { aborted } from './aborted.ts';
import { faultOf, framesOf, type AgentError } from './agent-error.ts';
import { Agent, type AgentParts } from './agent.ts';
import { systemClock } from './clock.ts';
import type { AgentConfig } from './config.ts';
import { AgentEvents } from './events/agent-events.ts';
import { EventSpool } from './events/event-spool.ts';
import { CertificateFiles } from './files/certificate-files.ts';
import { keepFresh } from './files/keep-fresh.ts';
import { agentToken, readTokenFile } from './files/token-file.ts';
import { Freshness } from './freshness.ts';
import { KeyMemory } from './host/key-memory.ts';
import { openLink } from './link/open-link.ts';
import { listens } from './listen-settings.ts';
import { LocalApi } from './local-api/server.ts';
import type { Log } from './log.ts';
import { ImportedBundles } from './offline/imported-bundles.ts';
import { readReferencedToken } from './references/agent-token.ts';
import { openResolver } from './references/open-resolver.ts';
import type { Resolver } from './references/resolver.ts';
import { measureProcess, ResourceMonitor } from './resources/resource-monitor.ts';
import { DurableStore } from './state/durable-store.ts';
import { Generations } from './state/generations.ts';
import { keepGroup, loadIdentity, type Identity } from './state/identity.ts';
import { assertNotRevoked, ENROL_ANEW, wipeState } from './state/revocation.ts';
import { StateDirectory } from './state/state-directory.ts';
import { VERSION } from './version.ts';

/** How often the time of the last contact is kept, so that staleness is told truthfully after a crash. */
const CONFIRM_EVERY_MS = 5 * 60_000;
/** How often the agent measures what it takes of its host; Prometheus asks about as often. */
const RESOURCES_EVERY_MS = 15_000;
/** Whoever imports a bundle waits for it. */
const IMPORTS_EVERY_MS = 1_000;

type Run = {
  log: Log;
  /** The agent's own environment: references may name its variables. */
  env: Environment;
  signal: AbortSignal;
};

/**
 * Runs an enrolled agent until `signal` aborts: what is on disk is served first, then the control plane
 * is asked. Ends with the socket removed and all values forgotten.
 *
 * @throws AgentError `state.*`, `identity.*`, `agent.revoked`, `socket.*`, `listen.unusable`, `local_api.unusable`,
 * `values.too_old`; LinkError `proxy.bad_url`
 */
export async function runDaemon(config: AgentConfig, { log, env, signal }: Run): Promise<void> {
  using state = await StateDirectory.open(config.stateDir);
  warnIfUnlocked(state, log);
  await assertNotRevoked(state);
  const identity = await loadIdentity(state);
  await discardPending(state, log);
  const durableStore = new DurableStore(state, identity.highWaterKey, systemClock, log);
  const events = await openEvents(state, identity, log);
  durableStore.onQuarantine = (code) =>
    events.record({ action: 'bundle:quarantine', subject: 'bundle', outcome: 'refused', code });
  const { link, credentials, fileProblems } = await openLink(state, identity, config, log);
  // Also when something else cannot start: a link that listens would keep the process alive.
  using _link = { [Symbol.dispose]: () => link.close() };
  const freshness = new Freshness(config.freshness);
  const shared = { freshness, keyMemory: KeyMemory.locked(), log };
  const resolving = resolver(config, { env, ...shared });
  const agent = new Agent({
    identity,
    link,
    ...shared,
    durableStore,
    events,
    ...resolving,
    credentials,
    generations: new Generations(state),
    keepGroup: (group) => keepGroup(state, identity, group),
    maxStaleSeconds: config.maxStaleSeconds,
    onRevoked: async () => {
      localApi.revoke();
      // A write that is under way would be there again after the wipe.
      await imports.settled();
      await durableStore.settled();
      await forget(state, { ...identity, group: agent.group }, durableStore, log);
    },
  });
  const resources = monitor(config, state, events, log);
  const kept = { state, identity, agent, durableStore, events, log };
  const imports = new ImportedBundles({ ...kept, clock: systemClock });
  const certificateFiles = new CertificateFiles(config.certificateFiles, agent, log);
  await agent.restore();
  await imports.look();
  await certificateFiles.refresh();
  const localApi = await LocalApi.listen({
    agent,
    identity,
    log,
    ...placesOf(config),
    tls: () => link.tlsParameters(),
    identityValidity: () => credentials.validity,
    fileProblems,
    durable: () => durableStore.state(),
    files: () => certificateFiles.states(),
    resources: () => resources.state(),
    eventsState: () => events.state(),
    imported: () => imports.state(),
    events,
  });
  const parts = { config, identity, agent, durableStore, certificateFiles, localApi, events, log };
  const { references } = resolving;
  const reason = await serve({ ...parts, credentials, references, resources, imports }, signal);
  if (reason !== undefined) throw reason;
}

type Serving = {
  config: AgentConfig;
  identity: Identity;
  agent: Agent;
  durableStore: DurableStore;
  certificateFiles: CertificateFiles;
  credentials: { refresh(): Promise<void> };
  references: { refresh(): Promise<void> };
  resources: ResourceMonitor;
  imports: ImportedBundles;
  localApi: LocalApi;
  events: AgentEvents;
  log: Log;
};

/** Goes online and serves until `signal` aborts, or the agent gives up, for the reason that it returns. */
async function serve(parts: Serving, signal: AbortSignal): Promise<AgentError | undefined> {
  const { agent, durableStore, certificateFiles, localApi, events, log } = parts;
  const { agentId, group } = parts.identity;
  log.info(
    { agentId, group: group.name, version: VERSION, path: parts.config.socket },
    'listening',
  );
  events.record({ action: 'agent:start', subject: `agent:${agentId}` });
  agent.start();
  const confirm = () => confirmContact(agent, durableStore);
  const timers = [
    setInterval(() => void confirm(), CONFIRM_EVERY_MS),
    setInterval(() => void certificateFiles.refresh(), CONFIRM_EVERY_MS),
    ...[parts.credentials, localApi, parts.references].map((kept) =>
      keepFresh(() => kept.refresh(), log),
    ),
    keepFresh(() => parts.resources.look(), log, { everyMs: RESOURCES_EVERY_MS, atOnce: true }),
    keepFresh(() => parts.imports.look(), log, { everyMs: IMPORTS_EVERY_MS }),
  ];

  const reason = await Promise.race([aborted(signal), agent.gaveUp]);
  for (const timer of timers) clearInterval(timer);
  await localApi.close();
  await certificateFiles.close();
  events.record({ action: 'agent:stop', subject: `agent:${agentId}`, code: reason?.code ?? null });
  await agent.stop();
  await confirm();
  log.info({}, 'stopped');
  return reason;
}

function monitor(
  { resources: limits }: AgentConfig,
  { path }: StateDirectory,
  { record }: AgentEvents,
  log: Log,
): ResourceMonitor {
  return new ResourceMonitor({ limits, measure: measureProcess(path), record, log });
}

async function openEvents(
  state: StateDirectory,
  { eventsKey: key, group }: Identity,
  log: Log,
): Promise<AgentEvents> {
  const spool = new EventSpool(state.path, { key, log });
  await spool.restore();
  return new AgentEvents({ spool, group: group.id, clock: systemClock, random: Math.random, log });
}

/** What finds the values of references, the agent's own token among them. */
function resolver(
  config: AgentConfig,
  parts: Parameters<typeof openResolver>[1],
): Pick<AgentParts, 'readToken'> & { references: Resolver } {
  const references = openResolver(config, parts);
  const { tokenFile, tokenReference } = config;
  if (tokenReference !== undefined)
    return { references, readToken: () => readReferencedToken(tokenReference, references) };
  if (tokenFile === undefined) return { references };
  return { references, readToken: () => readTokenFile(tokenFile, agentToken) };
}

/** The settings of the places where programs ask, and of what they are told. */
function placesOf({ authentication, listen, socket, socketMode, localApi }: AgentConfig) {
  const isDialled = listens(listen);
  return {
    authentication,
    isDialled,
    socket,
    socketMode: Number.parseInt(socketMode, 8),
    localApi,
  };
}

function warnIfUnlocked({ isLocked, path }: StateDirectory, log: Log): void {
  if (isLocked) return;
  log.warn(
    { path },
    'the state directory is mounted read-only: nothing can be kept, and another agent in it would go unnoticed',
  );
}

async function confirmContact({ contact, isRevoked }: Agent, store: DurableStore): Promise<void> {
  if (contact.lastMs !== undefined && !isRevoked) await store.confirm(contact.lastMs);
}

async function forget(
  state: StateDirectory,
  identity: Identity,
  durableStore: DurableStore,
  log: Log,
): Promise<void> {
  try {
    await wipeState(state, identity, systemClock.now());
    durableStore.forget();
    log.warn({}, `identity and bundles are removed; ${ENROL_ANEW}`);
  } catch (error) {
    const fault = faultOf(error);
    log.error(
      { code: fault.code, detail: fault.message, stack: framesOf(fault) },
      'identity and bundles could not be removed from disk',
    );
  }
}

/** Removes the keys of an enrolment that was cut off, which an enrolled agent has no use for. */
async function discardPending(state: StateDirectory, log: Log): Promise<void> {
  try {
    await state.destroy('identity.pending.json');
  } catch (error) {
    const fault = faultOf(error);
    log.warn(
      { code: fault.code, detail: fault.message },
      'keys of an enrolment that was cut off could not be removed from disk',
    );
  }
}
