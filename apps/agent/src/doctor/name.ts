import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { parseEndpoint } from '@sallyport/tls/endpoint';
import { detourTo } from '@sallyport/tls/route';
import { routeToControlPlane } from '../link/route.ts';
import { listens } from '../listen-settings.ts';
import { codeOf } from '../state/system-error.ts';
import { Dialled, failed, ok, type Found } from './finding.ts';
import type { Host } from './host.ts';

/** The one name that this host itself has to resolve: the proxy’s, where there is one. */
export async function nameResolution(host: Host): Promise<Found> {
  if (listens(host.config.listen)) throw new Dialled();
  const endpoint = parseEndpoint((await host.identity()).controlPlane);
  const { proxy, address } = detourTo(endpoint, await routeToControlPlane(host.config)) ?? {};
  const name = proxy?.host ?? address ?? endpoint.host;
  if (isIP(name) !== 0) return ok(`${name} is an address`);
  try {
    const found = await lookup(name, { all: true });
    return ok(`${name} is ${found.map((each) => each.address).join(', ')}`);
  } catch (error) {
    return failed(
      `${name} does not resolve (${codeOf(error)})`,
      proxy === undefined
        ? 'check its spelling and the DNS server, or set controlPlane.address'
        : 'check proxy.url and the DNS server',
    );
  }
}
