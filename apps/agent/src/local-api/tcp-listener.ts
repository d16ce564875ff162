import { constants, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import { splitAddress } from '@sallyport/contract';
import { boundHalfOpen } from '@sallyport/tls/half-open';
import { inboundFailure } from '@sallyport/tls/inbound-failure';
import type { LinkStores } from '@sallyport/tls/link-stores';
import { isNamedClient } from '@sallyport/tls/peer-certificate';
import { tlsOptions } from '@sallyport/tls/policy';
import { AgentError } from '../agent-error.ts';
import { openStores, refreshStores } from '../files/stores.ts';
import { refusalsTo } from '../link/refusals-log.ts';
import type { TcpConfig } from '../local-api-settings.ts';
import type { Log } from '../log.ts';
import { codeOf } from '../state/system-error.ts';
import { HeaderToken } from './header-token.ts';
import { answerInTurn, limits, type Answer } from './in-turn.ts';
import type { Listener } from './socket-listener.ts';
import { assertDirect, assertOwnHost } from './tcp-requests.ts';
import type { UnreadReplies } from './unread-replies.ts';

/** Whoever opens connections and says nothing keeps nobody else out. */
const MAX_HALF_OPEN = 64;
const HANDSHAKE_TIMEOUT_MS = 5_000;

export type TcpParts = {
  unread: UnreadReplies;
  log: Log;
  /** The answers to whatever `admit` does not refuse. */
  answersTo: (admit: (request: IncomingMessage) => void) => Answer;
};

type Own = { config: TcpConfig; stores: LinkStores; token: HeaderToken | undefined; log: Log };

/**
 * Programs on loopback TCP: by a token in a header, over TLS where there is a keystore, and by a certificate that
 * has one of `clientNames` where there is a truststore.
 */
export class TcpListener implements Listener {
  readonly #own: Own;
  readonly #server: Server | TlsServer;
  readonly #port: number;
  #shown: X509Certificate | undefined;

  private constructor(own: Own, server: Server | TlsServer) {
    this.#own = own;
    this.#server = server;
    this.#port = splitAddress(own.config.address).port;
    this.#shown = shownBy(own);
  }

  /** @throws AgentError `usage.invalid` for a file that is not taken, `token_file.*`, `local_api.unusable` */
  static async open(config: TcpConfig, { unread, log, answersTo }: TcpParts): Promise<TcpListener> {
    const stores = await openStores('localApi.tcp', config, 'serverAuth');
    const token =
      config.tokenFile === undefined ? undefined : await HeaderToken.open(config.tokenFile);
    const own = { config, stores, token, log };
    const server = stores.keystore === undefined ? createServer(limits) : tlsServerOf(own);
    const listener = new TcpListener(own, server);
    answerInTurn(
      server,
      unread,
      answersTo((request) => listener.#admit(request)),
    );
    await listenOn(server, config.address);
    return listener;
  }

  /** What keeps its files from being taken; what they held before counts. */
  get problems(): string[] {
    const { stores, token } = this.#own;
    const ofToken = token?.problem === undefined ? [] : [token.problem];
    return [...stores.problems.map(({ text }) => text), ...ofToken];
  }

  /** Looks at its files again. Who was let in by a CA that is not trusted any more is cut off. */
  async refresh(): Promise<void> {
    const { stores, token, log } = this.#own;
    const problem = await token?.refresh();
    if (problem !== undefined)
      log.error({ code: problem.code, detail: problem.message }, 'the token of programs stays');
    const trusted = stores.truststore?.join();
    if (!(await refreshStores(stores, log)) || !('setSecureContext' in this.#server)) return;
    this.#server.setSecureContext(securedBy(this.#own));
    this.#shown = shownBy(this.#own);
    if (trusted !== stores.truststore?.join()) this.#server.closeAllConnections();
    log.info({}, 'the certificates for programs were replaced');
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** @throws AgentError `request.forwarded`, `request.foreign_host`, `request.client_refused`, `request.unauthenticated` */
  #admit({ headers, socket }: IncomingMessage): void {
    assertDirect(headers);
    assertOwnHost(headers, this.#port, this.#shown);
    const { token, config } = this.#own;
    if (config.clientNames !== undefined) assertNamed(socket, config.clientNames);
    if (token === undefined || token.matches(headers['x-sallyport-token'])) return;
    throw new AgentError('request.unauthenticated', 'X-Sallyport-Token is missing or wrong', {
      advice: 'send the token that localApi.tcp.tokenFile holds now',
    });
  }
}

/** @throws AgentError `request.client_refused` */
function assertNamed(socket: unknown, names: readonly string[]): void {
  const certificate =
    socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate !== undefined && isNamedClient(certificate, names)) return;
  throw new AgentError(
    'request.client_refused',
    'the program’s certificate has none of the names that are let in, or is not for clients',
    {
      advice: 'add its name to localApi.tcp.clientNames, or have it issued with one and clientAuth',
    },
  );
}

function shownBy({ stores: { keystore } }: Own): X509Certificate | undefined {
  return keystore && new X509Certificate(keystore.chain);
}

/** A resumed session would be that of a program whose CA may be trusted no longer: there are none. */
function securedBy({ config, stores: { keystore, truststore } }: Own) {
  return {
    ...tlsOptions(config.tls),
    cert: keystore?.chain,
    key: keystore?.key,
    ca: truststore?.join('\n'),
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function tlsServerOf(own: Own): TlsServer {
  const { stores, log } = own;
  const asks = stores.truststore !== undefined;
  const server = createTlsServer({
    ...limits,
    ...securedBy(own),
    requestCert: asks,
    rejectUnauthorized: asks,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  const endHalfOpen = boundHalfOpen(server, MAX_HALF_OPEN);
  const refused = refusalsTo(log, 'a program’s connection was refused');
  server.on('tlsClientError', (error, socket) => refused(inboundFailure(error, socket)));
  // `close` waits for every connection, and ends none that has not finished its handshake.
  const { close } = server;
  server.close = (...args) => {
    endHalfOpen();
    return close.apply(server, args);
  };
  return server;
}

/** @throws AgentError `local_api.unusable` */
async function listenOn(server: Server | TlsServer, address: string): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(splitAddress(address));
  try {
    await listening;
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause;
    throw new AgentError(
      'local_api.unusable',
      `this host cannot listen on ${address} (${codeOf(cause)})`,
      { advice: 'end what else listens there, or set localApi.tcp.address', cause },
    );
  }
}
