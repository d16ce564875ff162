import { createServer } from 'node:tls';
import { listening } from './accepted-connections.ts';
import { boundHalfOpen } from './half-open.ts';
import { noCertificate, tellOfRefused } from './inbound-failure.ts';
import { LinkError } from './link-error.ts';
import { certificateFingerprint, normalizeFingerprint } from './pin.ts';
import { tlsOptions, type TlsPolicy } from './policy.ts';
import { presentedChain } from './presented-chain.ts';

type PinOptions = {
  host: string;
  port: number;
  identity: { cert: string; key: string };
  tls: TlsPolicy;
  signal: AbortSignal;
  /** Told of each peer that shows no such CA. */
  onRefused: (error: LinkError) => void;
};

/**
 * Waits for a peer that dials this program and whose chain has the CA certificate with this SHA-256 fingerprint,
 * and returns that as PEM. Nothing is trusted yet, and no byte is sent: the peer is hung up on, and its next
 * connection is verified under that CA.
 *
 * Throws `LinkError`: `tls.fingerprint_malformed`; rejects with the signal's reason, or with the system's error
 * when it cannot listen.
 */
export async function acceptPinnedCa(fingerprint: string, options: PinOptions): Promise<string> {
  const { host, port, identity, tls, signal, onRefused } = options;
  const expected = normalizeFingerprint(fingerprint);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // Also while it does not listen yet.
  promise.catch(() => {});
  const onAbort = (): void => reject(signal.reason);
  const server = createServer({
    ...tlsOptions(tls),
    ...identity,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: 10_000,
  });
  const endHalfOpen = boundHalfOpen(server);
  tellOfRefused(server, onRefused);
  server.on('secureConnection', (socket) => {
    const chain = presentedChain(socket);
    socket.on('error', () => {}).destroy();
    const pinned = chain.find((certificate) => certificateFingerprint(certificate) === expected);
    if (pinned?.ca === true) resolve(pinned.toString());
    else onRefused(chain.length === 0 ? noCertificate('A peer') : noSuchCa());
  });
  signal.throwIfAborted();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await listening(server, { host, port });
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    server.close();
    endHalfOpen();
  }
}

function noSuchCa(): LinkError {
  return new LinkError(
    'tls.fingerprint_mismatch',
    'A peer connected whose certificate is from another CA than the one with the fingerprint that was given; compare it with the one that the control plane printed at its last start or, where the CA was replaced since, that sallyport ca list has as active.',
    { retryable: false },
  );
}
