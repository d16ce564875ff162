import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { connectionFailure } from './connection-failure.ts';
import { controlPlaneIdentity } from './control-plane-identity.ts';
import type { Endpoint } from './endpoint.ts';
import { LinkError } from './link-error.ts';
import { rememberChain } from './presented-chain.ts';
import { detourTo, openSocket, type Route } from './route.ts';

/** `timeoutMs` counts for the handshake, and as much again beforehand for a tunnel of `route`. */
export type HandshakeOptions = {
  timeoutMs: number;
  route?: Route | undefined;
  /** As `HttpsLink` takes it. */
  peerName?: string | undefined;
};

/**
 * Resolves once the handshake is complete, so the peer has proved that it holds the leaf's key. Nothing is sent
 * over the connection, which is the caller's to end. Rejects with a `LinkError`.
 */
export async function handshake(
  endpoint: Endpoint,
  trust: ConnectionOptions,
  { timeoutMs, route, peerName }: HandshakeOptions,
): Promise<TLSSocket> {
  const detour = detourTo(endpoint, route);
  const opened = detour && (await openSocket(detour, endpoint, { timeoutMs }));
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: endpoint.host,
      port: endpoint.port,
      servername: endpoint.servername,
      socket: opened,
      checkServerIdentity: controlPlaneIdentity(peerName),
      ...trust,
    });
    const chain = rememberChain(socket);
    const fail = (error: LinkError): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => {
      const text = `${endpoint.origin} did not complete a TLS handshake within ${timeoutMs} ms; check the address and the network.`;
      fail(new LinkError('link.timeout', text, { retryable: true }));
    }, timeoutMs);
    socket.on('error', (error) => fail(connectionFailure(error, endpoint.origin, chain())));
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}
