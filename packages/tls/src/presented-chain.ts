import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** More certificates than any real chain has; the walk must end on a hostile one. */
const MAX_CHAIN_LENGTH = 10;

/** What the peer shows of itself, its own certificate first; empty where the session was resumed. */
export function presentedChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next && chain.length < MAX_CHAIN_LENGTH) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

/**
 * Returns what tells the chain that the peer of a connection in the making presented. Node throws it away with
 * the socket when it refuses the chain, and that is when somebody wants to see it.
 */
export function rememberChain(socket: TLSSocket): () => X509Certificate[] {
  let chain: X509Certificate[] = [];
  // Node's own listener of this event verifies.
  socket.prependOnceListener('secure', () => {
    chain = presentedChain(socket);
  });
  return () => chain;
}
