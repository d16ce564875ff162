import type { LinkOptions } from '@sallyport/tls/https-link';
import type { AgentConfig } from '../config.ts';
import type { ClientCertificate } from '../state/client-certificate.ts';
import type { Identity } from '../state/identity.ts';
import { routeToControlPlane } from './route.ts';
import { caOf, trustFor } from './trust.ts';

/** What everything that connects to the control plane of this identity goes by. */
export type LinkToControlPlane = Required<Pick<LinkOptions, 'baseUrl' | 'tls' | 'route'>> &
  Pick<LinkOptions, 'ca' | 'identity'>;

/** @throws AgentError `usage.invalid` for a file of CAs that cannot be used; LinkError `proxy.bad_url` */
export async function linkToControlPlane(
  identity: Pick<Identity, 'controlPlane' | 'trustAnchors'>,
  config: Pick<AgentConfig, 'controlPlane' | 'proxy'>,
  certificate?: ClientCertificate,
): Promise<LinkToControlPlane> {
  return {
    baseUrl: identity.controlPlane,
    ca: caOf(await trustFor(identity, config)),
    ...(certificate === undefined
      ? {}
      : { identity: { cert: certificate.cert, key: certificate.key } }),
    tls: config.controlPlane.tls,
    route: await routeToControlPlane(config),
  };
}
