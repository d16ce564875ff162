import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { Agent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { AcceptedPool } from './accepted-pool.ts';
import { boundHalfOpen } from './half-open.ts';
import { noCertificate, tellOfRefused } from './inbound-failure.ts';
import { LinkError } from './link-error.ts';
import { assertDialledByControlPlane } from './peer-certificate.ts';
import { tlsOptions, type TlsPolicy } from './policy.ts';

/** How long a stranger's handshake may take. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A little less than a request may take. */
const WAIT_MS = 25_000;

/** What an agent shows, and whom it believes: PEM all. */
export type AcceptingIdentity = { cert: string; key: string; ca: string };

export type AcceptOptions = {
  host: string;
  port: number;
  identity: AcceptingIdentity;
  /** In the control plane's certificate: a URI, a host name or an IP address. */
  controlPlaneName: string;
  tls: TlsPolicy;
  /** How long a request waits for a connection; default 25 seconds. */
  waitMs?: number | undefined;
  /** Told of each connection that was not let in. */
  onRefused: (error: LinkError) => void;
};

/**
 * Accepts the connections that a control plane opens, as their TLS server, and sends requests over them, as
 * their HTTP client. Whoever shows no certificate of a CA that is trusted, or one that does not make it the
 * control plane, is cut off before a byte is sent.
 */
export class AcceptedConnections {
  readonly #server: Server;
  readonly #pool: AcceptedPool;
  readonly #options: AcceptOptions;
  #ca: string;
  readonly #endHalfOpen: () => void;

  private constructor(options: AcceptOptions) {
    this.#options = options;
    this.#ca = options.identity.ca;
    this.#pool = new AcceptedPool(options.waitMs ?? WAIT_MS);
    this.#server = createServer({
      ...secured(options.identity, options.tls),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#endHalfOpen = boundHalfOpen(this.#server);
    tellOfRefused(this.#server, options.onRefused);
    this.#server.on('secureConnection', (socket) => this.#admit(socket));
  }

  /** Resolves when it listens; rejects with the system's error when it cannot. */
  static async listen(options: AcceptOptions): Promise<AcceptedConnections> {
    const accepted = new AcceptedConnections(options);
    await listening(accepted.#server, options);
    return accepted;
  }

  /** For the requests of a link. */
  get agent(): Agent {
    return this.#pool;
  }

  get port(): number {
    return portOf(this.#server);
  }

  /** Resolves once the control plane is, or was, connected. */
  get arrived(): Promise<void> {
    return this.#pool.arrived;
  }

  /** For the connections to come; where other CAs are trusted, those that there are were let in by the ones before. */
  replace(identity: AcceptingIdentity): void {
    this.#server.setSecureContext(secured(identity, this.#options.tls));
    if (identity.ca !== this.#ca) this.#pool.retire();
    this.#ca = identity.ca;
  }

  close(): void {
    this.#server.close();
    this.#endHalfOpen();
    this.#pool.destroy();
  }

  #admit(socket: TLSSocket): void {
    try {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined || !socket.authorized) throw noCertificate('A peer');
      assertDialledByControlPlane(certificate, this.#options.controlPlaneName);
      socket.setNoDelay(true).setKeepAlive(true, 30_000);
      this.#pool.add(socket);
    } catch (error) {
      socket.on('error', () => {}).destroy();
      if (!(error instanceof LinkError)) throw error;
      this.#options.onRefused(error);
    }
  }
}

/** A resumed session would be that of a peer whose CA may be trusted no longer: there are none. */
function secured({ cert, key, ca }: AcceptingIdentity, tls: TlsPolicy) {
  return {
    ...tlsOptions(tls),
    cert,
    key,
    ca,
    allowPartialTrustChain: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** Resolves when a server listens; rejects with the system's error when it cannot. */
export async function listening(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<void> {
  const heard = once(server, 'listening');
  server.listen(port, host);
  await heard;
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}
