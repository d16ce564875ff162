import type { LinkOptions } from '@sallyport/tls/https-link';
import type { LinkStores } from '@sallyport/tls/link-stores';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig } from '../config.ts';
import type { ClientCertificate } from '../state/client-certificate.ts';
import type { Identity } from '../state/identity.ts';
import { routeToControlPlane } from './route.ts';
import { caOf, trustFor } from './trust.ts';

/** What proofs call a control plane that the agent never resolves; it never will (RFC 6761, section 6.4). */
export const UNNAMED_CONTROL_PLANE = 'https://control-plane.invalid';

/** What every connection to the control plane of this identity is made with. */
export type LinkToControlPlane = Required<Pick<LinkOptions, 'baseUrl' | 'tls' | 'route'>> &
  Pick<LinkOptions, 'ca' | 'identity' | 'peerName'>;

/** The files that are set, and what the agent shows of itself, if it does. */
export type Brought = {
  stores?: LinkStores | undefined;
  certificate?: ClientCertificate | undefined;
};

/**
 * @throws AgentError `usage.invalid` for a proxy.ca that cannot be used, and for an agent that was enrolled to be
 * dialled; LinkError `proxy.bad_url`
 */
export async function linkToControlPlane(
  identity: Pick<Identity, 'controlPlane' | 'trustAnchors'>,
  config: Pick<AgentConfig, 'controlPlane' | 'proxy'>,
  { stores, certificate }: Brought = {},
): Promise<LinkToControlPlane> {
  if (identity.controlPlane === UNNAMED_CONTROL_PLANE)
    throw new AgentError(
      'usage.invalid',
      'this agent was enrolled to be dialled, and does not know where its control plane is',
      { advice: 'set listen.address, as at its enrolment, or enrol it again with --url' },
    );
  return {
    baseUrl: identity.controlPlane,
    ca: caOf(trustFor(identity, stores)),
    ...(certificate === undefined
      ? {}
      : { identity: { cert: certificate.cert, key: certificate.key } }),
    peerName: config.controlPlane.name,
    tls: config.controlPlane.tls,
    route: await routeToControlPlane(config),
  };
}
