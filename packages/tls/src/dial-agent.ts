import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { aborted } from './exchange.ts';
import { certificateFingerprint } from './fingerprint.ts';
import { noCertificate, peerFailure } from './inbound-failure.ts';
import { LinkError } from './link-error.ts';
import { assertDialledAgent } from './peer-certificate.ts';
import { tlsOptions, type TlsPolicy } from './policy.ts';
import { isValidAt } from './validity.ts';

/** What a control plane shows, and the CAs that its agents' certificates are from: PEM all. */
export type DiallingIdentity = { cert: string; key: string; ca: readonly string[] };

export type DialOptions = {
  /** A host name or an IP address, which the agent's certificate must be for. */
  host: string;
  port: number;
  secureContext: SecureContext;
  /** Of the agent's certificate, as `normalizeFingerprint` writes it; then whose certificate it is signed by counts for nothing. */
  fingerprint: string | undefined;
  timeoutMs: number;
  signal: AbortSignal;
};

/** With no CA none is trusted, not even the public ones. */
export function diallingContext(
  { cert, key, ca }: DiallingIdentity,
  tls: TlsPolicy,
): SecureContext {
  const trust = { ca: [...ca], allowPartialTrustChain: true };
  return createSecureContext({ ...tlsOptions(tls), cert, key, ...trust });
}

/**
 * Opens a TLS connection to an agent that listens, and resolves once the agent has proved to be the one that is
 * meant: no byte was sent over it until then. Rejects with a `LinkError`.
 */
export function dialAgent(options: DialOptions): Promise<TLSSocket> {
  const { host, port, secureContext, fingerprint, timeoutMs, signal } = options;
  const origin = originOf(options);
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(aborted(origin));
      return;
    }
    const socket = connect({
      host,
      port,
      servername: isIP(host) === 0 ? host : '',
      secureContext,
      // A pin takes the place of the chain, and is looked at below.
      rejectUnauthorized: fingerprint === undefined,
      // Also below, for a pinned one too.
      checkServerIdentity: () => undefined,
    });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: LinkError): void => {
      settle();
      reject(error);
      socket.destroy();
    };
    const onAbort = (): void => fail(aborted(origin));
    const timer = setTimeout(() => fail(timedOut(origin, timeoutMs)), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => fail(peerFailure(error, origin)));
    socket.once('secureConnect', () => {
      const refusal = refusalOf(socket, options);
      if (refusal !== undefined) {
        fail(refusal);
        return;
      }
      settle();
      socket.setNoDelay(true).setKeepAlive(true, 30_000);
      resolve(socket);
    });
  });
}

function refusalOf(socket: TLSSocket, { host, fingerprint }: DialOptions): LinkError | undefined {
  try {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return noCertificate('The agent');
    if (fingerprint !== undefined && certificateFingerprint(certificate) !== fingerprint)
      return new LinkError(
        'tls.fingerprint_mismatch',
        'The agent has another certificate than the one that the link pins; compare the fingerprint with what the agent prints, and make the link anew if it was replaced.',
        { retryable: false },
      );
    // OpenSSL has looked at the time of a chain, but not of what is pinned.
    if (!isValidAt(certificate, Date.now()))
      return peerFailure(Object.assign(new Error(), { code: 'CERT_HAS_EXPIRED' }), 'The agent');
    assertDialledAgent(certificate, host);
    return undefined;
  } catch (error) {
    if (error instanceof LinkError) return error;
    throw error;
  }
}

function timedOut(origin: string, timeoutMs: number): LinkError {
  return new LinkError(
    'link.timeout',
    `${origin} did not complete a TLS handshake within ${timeoutMs} ms; check the address and the firewall between the two hosts.`,
    { retryable: true },
  );
}

function originOf({ host, port }: Pick<DialOptions, 'host' | 'port'>): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
