import type { X509Certificate } from 'node:crypto';
import { parseEndpoint } from './endpoint.ts';
import { certificateFingerprint, normalizeFingerprint } from './fingerprint.ts';
import { handshake } from './handshake.ts';
import { LinkError } from './link-error.ts';
import { tlsOptions, type TlsPolicy } from './policy.ts';
import { presentedChain } from './presented-chain.ts';
import type { Route } from './route.ts';
import { secureContextFor } from './secure-context.ts';
import { isSelfSigned } from './self-issued.ts';

export { certificateFingerprint, normalizeFingerprint };

type PinOptions = {
  timeoutMs?: number;
  route?: Route;
  tls?: TlsPolicy;
  /** As `HttpsLink` takes it. */
  peerName?: string | undefined;
};

function mismatch(origin: string, expected: string, chain: X509Certificate[]): LinkError {
  const top = chain.at(-1);
  const presented = top ? certificateFingerprint(top) : 'no certificate';
  return new LinkError(
    'tls.fingerprint_mismatch',
    `${origin} presented ${presented} where the fingerprint ${expected} was expected; go on with it only if the control plane printed it at its last start or, where the CA was replaced since, if sallyport ca list has it as active.`,
    { retryable: false },
  );
}

/**
 * Fetches the CA certificate, or that of a server which is its own CA, with this SHA-256 fingerprint from the chain that the server at `url`
 * presents, and returns it as PEM once a second connection has verified the server under it alone. Sends
 * no byte of a request. `timeoutMs` (default 10 seconds) counts for each of the two connections, and for
 * each tunnel of a `route`; `tls` is what both may negotiate. Throws
 * `LinkError`: `tls.fingerprint_mismatch` when the chain has no such certificate.
 */
export async function fetchPinnedCa(
  url: string,
  fingerprint: string,
  { timeoutMs = 10_000, route = {}, tls, peerName }: PinOptions = {},
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
  if (!pinned.ca && !isSelfSigned(pinned)) {
    throw new LinkError(
      'tls.unknown_ca',
      `The fingerprint is that of a certificate of ${endpoint.origin} which is no CA; give the fingerprint of its CA.`,
      { retryable: false },
    );
  }
  const ca = pinned.toString();
  const secureContext = secureContextFor(ca, tls);
  const verified = await handshake(endpoint, { secureContext }, { timeoutMs, route, peerName });
  verified.destroy();
  return ca;
}
