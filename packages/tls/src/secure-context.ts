import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { defaultTlsPolicy, tlsOptions, type TlsPolicy } from './policy.ts';

/** A client's certificate chain, leaf first, and its private key: PEM both. */
export type ClientIdentity = { cert: string; key: string };

/** How many contexts are kept; a process trusts one CA or two, under one policy, and replaces them rarely. */
const MAX_CONTEXTS = 16;

const contexts = new Map<string, SecureContext>();

/**
 * The client side of a TLS policy, trusting `ca` (PEM) alone, or the runtime's and the system's
 * public roots when it is absent. Shared by all links with the same CA and policy: parsing the roots again for
 * every connection would cost more than the handshake.
 */
export function secureContextFor(
  ca: string | undefined,
  policy: TlsPolicy = defaultTlsPolicy,
): SecureContext {
  const key = JSON.stringify([ca, tlsOptions(policy)]);
  const kept = contexts.get(key);
  if (kept) return kept;
  const made = contextFor(ca, policy);
  const oldest = contexts.keys().next();
  if (contexts.size >= MAX_CONTEXTS && !oldest.done) contexts.delete(oldest.value);
  contexts.set(key, made);
  return made;
}

/** The same with a certificate of the client's own. It is not kept here, as it holds a private key. */
export function secureContextWith(
  identity: ClientIdentity,
  ca: string | undefined,
  policy: TlsPolicy = defaultTlsPolicy,
): SecureContext {
  return contextFor(ca, policy, identity);
}

function contextFor(
  ca: string | undefined,
  policy: TlsPolicy,
  identity?: ClientIdentity,
): SecureContext {
  return createSecureContext({
    ...tlsOptions(policy),
    ...identity,
    ca: ca ?? [...new Set([...getCACertificates('default'), ...getCACertificates('system')])],
    // An intermediate CA given as the trust anchor is one; OpenSSL would ask for its issuer.
    allowPartialTrustChain: ca !== undefined,
  });
}
