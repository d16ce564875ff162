import type { X509Certificate } from 'node:crypto';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { connectionFailure } from './connection-failure.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { certificateFingerprint, normalizeFingerprint } from './fingerprint.ts';
import { LinkError } from './link-error.ts';
import { tlsOptions, type TlsPolicy } from './policy.ts';
import { detourTo, openSocket, type Route } from './route.ts';
import { secureContextFor } from './secure-context.ts';

export { certificateFingerprint, normalizeFingerprint };

/** More certificates than any real chain has; the walk must end on a hostile one. */
const MAX_CHAIN_LENGTH = 10;

type PinOptions = { timeoutMs?: number; route?: Route; tls?: TlsPolicy };

/** Resolves once the handshake is complete, so the peer has proved that it holds the leaf's key. */
async function handshake(
  endpoint: Endpoint,
  trust: ConnectionOptions,
  { timeoutMs, route }: Required<Omit<PinOptions, 'tls'>>,
): Promise<TLSSocket> {
  const detour = detourTo(endpoint, route);
  const opened = detour && (await openSocket(detour, endpoint, { timeoutMs }));
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: endpoint.host,
      port: endpoint.port,
      servername: endpoint.servername,
      ...(opened ? { socket: opened } : {}),
      ...trust,
    });
    const fail = (error: LinkError): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => {
      const text = `${endpoint.origin} did not complete a TLS handshake within ${timeoutMs} ms; check the address and the network.`;
      fail(new LinkError('link.timeout', text, { retryable: true }));
    }, timeoutMs);
    socket.on('error', (error) => fail(connectionFailure(error, endpoint.origin)));
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

/** What a peer showed, leaf first. */
export function presentedChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next && chain.length < MAX_CHAIN_LENGTH) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function mismatch(origin: string, expected: string, chain: X509Certificate[]): LinkError {
  const top = chain.at(-1);
  const presented = top ? certificateFingerprint(top) : 'no certificate';
  return new LinkError(
    'tls.fingerprint_mismatch',
    `${origin} presented ${presented} where ${expected} was expected; compare both with the fingerprint that the server logged at its start, and do not go on if they differ.`,
    { retryable: false },
  );
}

/**
 * Fetches the CA certificate with this SHA-256 fingerprint from the chain that the server at `url`
 * presents, and returns it as PEM once a second connection has verified the server under it alone. Sends
 * no byte of a request. `timeoutMs` (default 10 seconds) counts for each of the two connections, and for
 * each tunnel of a `route`; `tls` is what both may negotiate. Throws
 * `LinkError`: `tls.fingerprint_mismatch` when the chain has no such certificate.
 */
export async function fetchPinnedCa(
  url: string,
  fingerprint: string,
  { timeoutMs = 10_000, route = {}, tls }: PinOptions = {},
): Promise<string> {
  const endpoint = parseEndpoint(url);
  const expected = normalizeFingerprint(fingerprint);
  // Nothing is trusted yet: this connection only shows the chain, and the next one verifies it.
  const unverified = await handshake(
    endpoint,
    { ...tlsOptions(tls), rejectUnauthorized: false },
    { timeoutMs, route },
  );
  const chain = presentedChain(unverified);
  unverified.destroy();
  const pinned = chain.find((certificate) => certificateFingerprint(certificate) === expected);
  if (!pinned) throw mismatch(endpoint.origin, expected, chain);
  if (!pinned.ca) {
    throw new LinkError(
      'tls.unknown_ca',
      `The fingerprint is that of a certificate of ${endpoint.origin} which is no CA; give the fingerprint of its CA.`,
      { retryable: false },
    );
  }
  const ca = pinned.toString();
  const secureContext = secureContextFor(ca, tls);
  const verified = await handshake(endpoint, { secureContext }, { timeoutMs, route });
  verified.destroy();
  return ca;
}
