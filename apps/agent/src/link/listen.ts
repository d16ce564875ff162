import { hostname } from 'node:os';
import { MAX_REPLY_BYTES, splitAddress } from '@sallyport/contract';
import { AcceptedConnections, type AcceptingIdentity } from '@sallyport/tls/accepted-connections';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { HttpsLink } from '@sallyport/tls/https-link';
import type { LinkStores } from '@sallyport/tls/link-stores';
import { AgentError } from '../agent-error.ts';
import { keepFresh } from '../files/keep-fresh.ts';
import { openStores, problemsIn, refreshStores } from '../files/stores.ts';
import { ownHosts, type ListenConfig } from '../listen-settings.ts';
import type { Log } from '../log.ts';
import { refusalsTo } from '../refusals-log.ts';
import { hostsNotIn, selfSignedIdentity, type ListenIdentity } from '../state/listen-identity.ts';
import type { StateDirectory } from '../state/state-directory.ts';
import { codeOf } from '../state/system-error.ts';
import type { Link } from './call.ts';

export const LINK_REFUSED = 'a connection for the control plane’s link was refused';

/** What an agent that listens shows to whoever dials it, and what it was told of whom to believe. */
export type ListenParts = {
  listen: ListenConfig;
  stores: LinkStores;
  /** As it is now. */
  own: () => ListenIdentity;
  log: Log;
};

/** A link over connections that the control plane opens. */
export type ListenLink = Link & {
  /** Resolves once the control plane is connected. */
  arrived: Promise<void>;
  /** What keeps its files from being taken; what they held before counts. */
  problems(): string[];
  /** Trusts other CAs from the next connection on. */
  replace(trust: { ca?: string | undefined }): void;
};

/**
 * Opens the files of certificates, and makes the agent's own certificate where no keystore is set.
 *
 * @throws AgentError `usage.invalid` with every file that is not taken, `identity.unreadable`, `state.*`
 */
export async function openListenParts(
  listen: ListenConfig,
  state: StateDirectory,
  log: Log,
): Promise<ListenParts> {
  const stores = await openStores('listen', listen, 'serverAuth');
  const first = stores.keystore ?? (await selfMade(listen, state, log));
  return { listen, stores, own: () => stores.keystore ?? first, log };
}

async function selfMade(
  listen: ListenConfig,
  state: StateDirectory,
  log: Log,
): Promise<ListenIdentity> {
  const hosts = ownHosts(listen, hostname());
  const identity = await selfSignedIdentity(state, hosts, Date.now());
  log.warn(
    {},
    'the certificate that this agent shows to the control plane is signed by itself: it must be pinned in the link; have a CA issue one, and set listen.keystore.file',
  );
  const missing = hostsNotIn(identity.chain, hosts);
  if (missing.length > 0)
    log.warn(
      { detail: missing.join(', ') },
      'that certificate is for other hosts: to have it made anew, remove listen-identity.json from the state directory, and pin the new one',
    );
  return identity;
}

/** The SHA-256 fingerprint by which a link pins this agent. */
export function ownFingerprint({ own }: ListenParts): string {
  return certificateFingerprint(own().chain);
}

/**
 * Listens for the control plane, whose certificate must be from a CA in `ca` (PEM), unless a truststore is set.
 * `baseUrl` is only the name by which proofs call the control plane.
 *
 * @throws AgentError `listen.unusable`
 */
export async function listenForControlPlane(
  parts: ListenParts,
  { baseUrl, ca }: { baseUrl: string; ca: string },
): Promise<ListenLink> {
  const { listen, stores, own, log } = parts;
  let anchors = ca;
  const identity = (): AcceptingIdentity => {
    const { chain: cert, key } = own();
    return { cert, key, ca: stores.truststore?.join('\n') ?? anchors };
  };
  const accepted = await heard(listen, () =>
    AcceptedConnections.listen({
      ...splitAddress(listen.address),
      identity: identity(),
      controlPlaneName: listen.controlPlaneName,
      tls: listen.tls,
      onRefused: refusalsTo(log, LINK_REFUSED),
    }),
  );
  const timer = keepFresh(async () => {
    if (!(await refreshStores(stores, log))) return;
    accepted.replace(identity());
    log.info({}, 'the certificates of the link from the control plane were replaced');
  }, log);
  const link = new HttpsLink({
    baseUrl,
    accepted: accepted.agent,
    maxBodyBytes: MAX_REPLY_BYTES,
  });
  return {
    arrived: accepted.arrived,
    request: (...request) => link.request(...request),
    tlsParameters: () => link.tlsParameters(),
    problems: () => problemsIn(stores),
    replace: (trust) => {
      anchors = trust.ca ?? anchors;
      accepted.replace(identity());
    },
    close: () => {
      clearInterval(timer);
      accepted.close();
      link.close();
    },
  };
}

/** @throws AgentError `listen.unusable` */
export async function heard<Listening>(
  { address }: ListenConfig,
  listen: () => Promise<Listening>,
): Promise<Listening> {
  try {
    return await listen();
  } catch (cause) {
    const code = codeOf(cause);
    // Of the system, as opposed to one of this program's own.
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw cause;
    throw new AgentError('listen.unusable', `this host cannot listen on ${address} (${code})`, {
      advice: 'end what else listens there, or set listen.address',
      cause,
    });
  }
}
