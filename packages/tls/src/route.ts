import { once } from 'node:events';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect, TLSSocket } from 'node:tls';
import { connectionFailure } from './connection-failure.ts';
import { hostIdentity } from './control-plane-identity.ts';
import type { Endpoint } from './endpoint.ts';
import { aborted } from './exchange.ts';
import { LinkError } from './link-error.ts';
import { rememberChain } from './presented-chain.ts';
import { proxyFailure, proxyTimeout, type Target } from './proxy/failure.ts';
import { httpConnect } from './proxy/http-connect.ts';
import { bypassesProxy } from './proxy/no-proxy.ts';
import type { Proxy } from './proxy/proxy.ts';
import { socks5Connect } from './proxy/socks5.ts';
import { secureContextFor } from './secure-context.ts';

/**
 * How a link gets to its peer; an empty one goes there directly. Each link has its own. Nothing of it
 * changes whom the link trusts: TLS runs from end to end, and is verified for the host of the URL.
 */
export type Route = {
  proxy?: Proxy | undefined;
  /** Destinations that are reached without the proxy; see `bypassesProxy`. */
  noProxy?: readonly string[] | undefined;
  /** The IP address to connect to, in place of one that the URL's host resolves to. */
  address?: string | undefined;
};

type OpenOptions = { timeoutMs: number; signal?: AbortSignal | undefined };

/** Undefined where the peer is connected to as its URL says. */
export function detourTo(endpoint: Endpoint, route: Route = {}): Route | undefined {
  const { proxy, noProxy = [], address } = route;
  const { host, port } = endpoint;
  if (proxy && !bypassesProxy(noProxy, { host, port, address })) return { proxy, address };
  return address === undefined ? undefined : { address };
}

function dial({ host, port, kind, ca, tls }: Target & Partial<Proxy>): Socket {
  if (kind !== 'https') return tcpConnect({ host, port });
  const servername = isIP(host) === 0 ? host : '';
  const secureContext = secureContextFor(ca, tls);
  return tlsConnect({ host, port, servername, secureContext, checkServerIdentity: hostIdentity });
}

function timedOut(endpoint: Endpoint, address: string | undefined, timeoutMs: number): LinkError {
  return new LinkError(
    'link.timeout',
    `${endpoint.origin}, at the address ${address} that is set for it, did not accept a connection within ${timeoutMs} ms; check the address and the network.`,
    { retryable: true },
  );
}

/**
 * Opens the connection that TLS to `endpoint` is to run over. Rejects with a `LinkError`: `proxy.*` for whatever went
 * wrong with the proxy, TLS with it among that.
 */
export async function openSocket(
  { proxy, address }: Route,
  endpoint: Endpoint,
  { timeoutMs, signal }: OpenOptions,
): Promise<Socket> {
  if (signal?.aborted === true) throw aborted(endpoint.origin);
  const target = { host: address ?? endpoint.host, port: endpoint.port };
  const socket = dial(proxy ?? target);
  const chain = socket instanceof TLSSocket ? rememberChain(socket) : () => [];
  // The next step meets an error that comes between two; without a listener it would end the process.
  socket.on('error', () => {});
  let givenUp: LinkError | undefined;
  const giveUp = (error: LinkError): void => {
    givenUp ??= error;
    socket.destroy(error);
  };
  const onAbort = (): void => giveUp(aborted(endpoint.origin));
  const timer = setTimeout(
    () =>
      giveUp(
        proxy ? proxyTimeout(proxy, target, timeoutMs) : timedOut(endpoint, address, timeoutMs),
      ),
    timeoutMs,
  );
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await once(socket, proxy?.kind === 'https' ? 'secureConnect' : 'connect');
    socket.setNoDelay(true).setKeepAlive(true, 30_000);
    if (proxy?.kind === 'socks5') await socks5Connect(socket, proxy, target, timeoutMs);
    else if (proxy) await httpConnect(socket, proxy, target);
    return socket;
  } catch (error) {
    socket.destroy();
    if (givenUp) throw givenUp;
    if (error instanceof LinkError || !Error.isError(error)) throw error;
    throw proxy ? proxyFailure(error, proxy, chain()) : connectionFailure(error, endpoint.origin);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
