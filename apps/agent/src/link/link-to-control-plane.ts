import type { LinkOptions } from '@sallyport/tls/https-link';
import type { AgentConfig } from '../config.ts';
import type { ClientCertificate } from '../state/client-certificate.ts';
import type { Identity } from '../state/identity.ts';
import type { OwnStores } from './own-stores.ts';
import { routeToControlPlane } from './route.ts';
import { caOf, trustFor } from './trust.ts';

/** What everything that connects to the control plane of this identity goes by. */
export type LinkToControlPlane = Required<Pick<LinkOptions, 'baseUrl' | 'tls' | 'route'>> &
  Pick<LinkOptions, 'ca' | 'identity'>;

/** The files that are set, and what the agent shows of itself, if it does. */
export type Brought = {
  stores?: OwnStores | undefined;
  certificate?: ClientCertificate | undefined;
};

/** @throws AgentError `usage.invalid` for a proxy.ca that cannot be used; LinkError `proxy.bad_url` */
export async function linkToControlPlane(
  identity: Pick<Identity, 'controlPlane' | 'trustAnchors'>,
  config: Pick<AgentConfig, 'controlPlane' | 'proxy'>,
  { stores, certificate }: Brought = {},
): Promise<LinkToControlPlane> {
  return {
    baseUrl: identity.controlPlane,
    ca: caOf(trustFor(identity, stores)),
    ...(certificate === undefined
      ? {}
      : { identity: { cert: certificate.cert, key: certificate.key } }),
    tls: config.controlPlane.tls,
    route: await routeToControlPlane(config),
  };
}
