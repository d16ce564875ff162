import { randomUUID } from 'node:crypto';
import { ConfigError, type Environment } from '@sallyport/config/load';
import { generateEncryptionJwk, importEncryptionPublicKey } from '@sallyport/crypto/encryption-key';
import { generateSigningJwk } from '@sallyport/crypto/signing-key';
import { Agent } from '../agent.ts';
import type { AgentConfig } from '../config.ts';
import { keepFresh } from '../files/keep-fresh.ts';
import { problemOf } from '../files/stores.ts';
import { Freshness } from '../freshness.ts';
import { KeyMemory } from '../host/key-memory.ts';
import { localApiSettings } from '../local-api-settings.ts';
import { LocalApi } from '../local-api/server.ts';
import type { Log } from '../log.ts';
import { openResolver } from '../references/open-resolver.ts';
import { importIdentity, type Identity } from '../state/identity.ts';
import { DEVELOPMENT_URL, DevelopmentControlPlane } from './control-plane.ts';
import { DesiredState } from './desired-state.ts';
import { readValues } from './values-file.ts';
import { ValuesFollower } from './values-follower.ts';

/** Somebody waits for it, and a file of values is small. */
const LOOK_EVERY_MS = 500;
const OWNER_ONLY = 0o600;

export type DevParts = {
  /** Path of the values file. */
  values: string;
  socket: string;
  config: Pick<AgentConfig, 'freshness' | 'proxy' | 'references'>;
  /** The agent's own, of which references may name variables. */
  env: Environment;
  log: Log;
  /** Settles once nobody wants it any more. */
  ended: Promise<unknown>;
};

/**
 * Serves a file of values by an agent like any other, and follows the file. When this resolves all of them are
 * there, unless it has ended meanwhile; disposed of, the agent has ended and its socket is gone.
 *
 * @throws ConfigError with every problem of the file; AgentError of `LocalApi.listen`
 */
export async function startDevAgent(parts: DevParts): Promise<AsyncDisposable> {
  const { values, config, env, log, ended } = parts;
  const { contents, problems } = await readValues(values);
  if (problems.length > 0) throw new ConfigError('sallyport-agent', problems);
  const state = await DesiredState.create();
  const identity = await makeIdentity(state);
  const recipient = await importEncryptionPublicKey(identity.encryptionKey.publicJwk);
  const controlPlane = new DevelopmentControlPlane(state, recipient);
  controlPlane.replace(contents);
  const keyMemory = KeyMemory.ordinary();
  const freshness = new Freshness(config.freshness);
  const references = openResolver(config, { env, freshness, keyMemory, log });
  const agent = new Agent({ identity, link: controlPlane, log, keyMemory, references });
  const follower = new ValuesFollower(values, controlPlane, log);
  const localApi = await listen(parts, { agent, identity, follower });
  const applied = new Promise((resolve) => void agent.onApplied(resolve));
  agent.start();
  const isWanted = await Promise.race([applied.then(() => true), ended.then(() => false)]);
  if (!isWanted) await agent.stop();
  const timers = [
    keepFresh(() => follower.look(), log, { everyMs: LOOK_EVERY_MS }),
    keepFresh(() => references.refresh(), log),
  ];
  return {
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      await localApi.close();
      await agent.stop();
    },
  };
}

type Served = { agent: Agent; identity: Identity; follower: ValuesFollower };

async function listen(
  { socket, log }: DevParts,
  { agent, identity, follower }: Served,
): Promise<LocalApi> {
  const localApi = await LocalApi.listen({
    agent,
    identity,
    log,
    authentication: 'key',
    socket,
    socketMode: OWNER_ONLY,
    localApi: localApiSettings.parse({}),
    tls: () => undefined,
    identityValidity: () => undefined,
    fileProblems: () => follower.problems.map((problem) => problemOf(problem, true)),
    durable: () => ({ revision: undefined, bytes: 0, error: undefined }),
    files: () => [],
  });
  log.info({ path: socket }, 'listening');
  return localApi;
}

/** Of an agent that was enrolled nowhere, with keys that nothing keeps. */
async function makeIdentity({ group, signer }: DesiredState): Promise<Identity> {
  return importIdentity({
    format: 1,
    agentId: randomUUID(),
    name: 'development',
    group,
    controlPlane: DEVELOPMENT_URL,
    trustAnchors: [],
    verificationKeys: { keys: [{ ...signer.publicJwk, kid: signer.thumbprint }] },
    signingKey: await generateSigningJwk(),
    encryptionKey: await generateEncryptionJwk(),
  });
}
