import { MAX_REPLY_BYTES } from '@sallyport/contract';
import { HttpsLink } from '@sallyport/tls/https-link';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import type { AgentConfig } from '../config.ts';
import { listens, type ListenConfig } from '../listen-settings.ts';
import type { Log } from '../log.ts';
import type { Identity } from '../state/identity.ts';
import type { StateDirectory } from '../state/state-directory.ts';
import { Credentials } from './credentials.ts';
import { LateLink, type ReplaceableLink } from './late-link.ts';
import { linkToControlPlane } from './link-to-control-plane.ts';
import { followOwnStores } from './own-stores.ts';
import { warnOfPlainCredentials } from './route.ts';
import { trustFor } from './trust.ts';

type LinkParts = {
  state: StateDirectory;
  config: AgentConfig;
  credentials: Credentials;
  log: Log;
};

/**
 * The link, in whichever direction, what it trusts and shows, which may be replaced while it is open, and what keeps
 * files that are set from being taken. Where the link cannot be made without one of them, it is made once that is good.
 *
 * @throws AgentError `listen.unusable`; LinkError `proxy.bad_url`
 */
export async function openLink(
  state: StateDirectory,
  identity: Identity,
  config: AgentConfig,
  log: Log,
): Promise<{ link: ReplaceableLink; credentials: Credentials; fileProblems: () => string[] }> {
  const stores = await followOwnStores(config, log);
  const trust = trustFor(identity, stores);
  const parts = { state, identity, trust, stores, clock: systemClock, random: Math.random, log };
  const credentials = await Credentials.open(parts, config.authentication === 'certificate');
  const link = await LateLink.open({
    make: () => linkTo(identity, { state, config, credentials, log }),
    onMade: () => credentials.onReplaced(),
    log,
  });
  credentials.attach(link);
  // A link that is not there for want of a file of controlPlane says the same of it.
  const fileProblems = () => [...new Set([...credentials.problems, ...(link.problems?.() ?? [])])];
  return { link, credentials, fileProblems };
}

async function linkTo(identity: Identity, parts: LinkParts): Promise<ReplaceableLink> {
  const { config, credentials, log } = parts;
  if (listens(config.listen)) return linkFrom(identity, config.listen, parts);
  const target = await linkToControlPlane(identity, config);
  warnOfPlainCredentials(target.route ?? {}, log);
  const link = new HttpsLink({ ...target, ...credentials.tls, maxBodyBytes: MAX_REPLY_BYTES });
  return {
    request: async (...request) => {
      credentials.assertTaken();
      return link.request(...request);
    },
    tlsParameters: () => link.tlsParameters(),
    replace: (tls) => link.replace(tls),
    close: () => link.close(),
  };
}

async function linkFrom(
  { controlPlane: baseUrl }: Identity,
  listen: ListenConfig,
  { state, credentials, log }: LinkParts,
): Promise<ReplaceableLink> {
  // It could not be told whom to hear, nor what to sign with. Of a file that is mended, both parts learn at once.
  await credentials.refresh();
  credentials.assertTaken();
  // What reads keystores is of no use to an agent that dials, and would be loaded before its first secret.
  const { listenForControlPlane, openListenParts, ownFingerprint } = await import('./listen.ts');
  const { ca } = credentials.tls;
  if (ca === undefined)
    throw new AgentError(
      'usage.invalid',
      'an agent that listens must know the control plane’s CA',
      {
        advice: 'enrol it again with --fingerprint or --ca-file',
      },
    );
  const parts = await openListenParts(listen, state, log);
  const link = await listenForControlPlane(parts, { baseUrl, ca });
  const { address } = listen;
  log.info({ address, fingerprint: ownFingerprint(parts) }, 'waiting to be dialled');
  return link;
}
