import { constants, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { splitAddress } from '@sallyport/contract';
import { boundHalfOpen } from '@sallyport/tls/half-open';
import { LinkError } from '@sallyport/tls/https-link';
import { tellOfRefused } from '@sallyport/tls/inbound-failure';
import type { LinkStores } from '@sallyport/tls/link-stores';
import { isNamedClient } from '@sallyport/tls/peer-certificate';
import { tlsOptions } from '@sallyport/tls/policy';
import { AgentError, sentenceOf } from '../agent-error.ts';
import { followStores, problemOf, problemsIn, refreshStores } from '../files/stores.ts';
import type { TcpConfig } from '../local-api-settings.ts';
import type { Log } from '../log.ts';
import { refusalsTo } from '../refusals-log.ts';
import { codeOf } from '../state/system-error.ts';
import { HeaderToken } from './header-token.ts';
import { answerInTurn, limits, type Answer } from './in-turn.ts';
import type { Listener } from './socket-listener.ts';
import { Strangers } from './strangers.ts';
import { assertDirect, assertOwnHost } from './tcp-requests.ts';
import type { UnreadReplies } from './unread-replies.ts';

const HANDSHAKE_TIMEOUT_MS = 5_000;

export type TcpParts = {
  log: Log;
  /** The answers to whatever `admit` does not refuse. */
  answersTo: (admit: (request: IncomingMessage) => void) => {
    unread: UnreadReplies;
    answer: Answer;
    /** Ends the streams that are open there: every other request shows anew what lets it in. */
    endStreams: () => void;
  };
};

type Own = { config: TcpConfig; stores: LinkStores; token: HeaderToken | undefined; log: Log };

/**
 * Programs on loopback TCP: by a token in a header, over TLS where there is a keystore, and by a certificate that
 * has one of `clientNames` where there is a truststore. While one of these files that is set was never taken, nobody
 * can connect.
 */
export class TcpListener implements Listener {
  readonly #own: Own;
  readonly #parts: TcpParts;
  readonly #port: number;
  #server: Server | TlsServer | undefined;
  /** What keeps it from listening, besides files. */
  #refusal: AgentError | undefined;
  #isClosed = false;
  readonly #strangers = new Strangers();
  /** Whoever was let in by a certificate, until when it is good. */
  readonly #certified = new Map<Socket, number>();
  #endStreams = (): void => {};
  #endHalfOpen = (): void => {};
  #shown: X509Certificate | undefined;

  private constructor(own: Own, parts: TcpParts) {
    this.#own = own;
    this.#parts = parts;
    this.#port = splitAddress(own.config.address).port;
  }

  /** Listens, or will once `refresh` has found every file good. @throws AgentError `local_api.unusable` */
  static async open(config: TcpConfig, parts: TcpParts): Promise<TcpListener> {
    const stores = await followStores('localApi.tcp', config, 'serverAuth', parts.log);
    const { tokenFile } = config;
    const token = tokenFile === undefined ? undefined : new HeaderToken(tokenFile);
    const listener = new TcpListener({ config, stores, token, log: parts.log }, parts);
    await listener.#lookAtToken();
    await listener.#listen();
    return listener;
  }

  /** What keeps its files from being taken, and it from listening. */
  get problems(): string[] {
    const { stores, token } = this.#own;
    const ofToken = token?.problem === undefined ? [] : [problemOf(token.problem, token.isTaken)];
    const ofAddress = this.#refusal === undefined ? [] : [`${sentenceOf(this.#refusal)}.`];
    return [...problemsIn(stores), ...ofToken, ...ofAddress];
  }

  /** Looks at its files again. Whoever was let in by what counts no longer is cut off. */
  async refresh(): Promise<void> {
    const { stores, log } = this.#own;
    const trusted = stores.truststore?.join();
    const hasOtherToken = await this.#lookAtToken();
    const replaced = await refreshStores(stores, log);
    if (this.#server === undefined) return this.#listenLate();
    if (replaced && 'setSecureContext' in this.#server) {
      this.#server.setSecureContext(securedBy(this.#own));
      this.#shown = shownBy(this.#own);
      log.info({}, 'the certificates for programs were replaced');
    }
    if (hasOtherToken) this.#endStreams();
    if (trusted !== stores.truststore?.join()) this.#cutOff();
    for (const [socket, untilMs] of this.#certified) if (untilMs <= Date.now()) socket.destroy();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#server === undefined) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#cutOff();
    await closed;
  }

  /** Whether there is another one than before. */
  async #lookAtToken(): Promise<boolean> {
    const { token, log } = this.#own;
    const looked = await token?.refresh();
    if (looked instanceof AgentError)
      log.error(
        { code: looked.code, detail: sentenceOf(looked) },
        token?.isTaken === true
          ? 'the token of programs stays'
          : 'programs cannot connect until their token is good, which is looked at again',
      );
    return looked === 'replaced';
  }

  /** Never without TLS where a keystore is set, nor for anybody where a truststore is. @throws AgentError `local_api.unusable` */
  async #listen(): Promise<void> {
    const { config, stores, token, log } = this.#own;
    if (this.#isClosed || !stores.areTaken || token?.isTaken === false) return;
    this.#shown = shownBy(this.#own);
    const server = stores.keystore === undefined ? this.#plainServer() : this.#tlsServer();
    const admit = (request: IncomingMessage) => this.#admit(request);
    const { unread, answer, endStreams } = this.#parts.answersTo(admit);
    answerInTurn(server, unread, answer);
    this.#endStreams = endStreams;
    this.#server = server;
    try {
      await listenOn(server, config.address);
    } catch (error) {
      this.#server = undefined;
      throw error;
    }
    log.info({ address: config.address }, 'listening for programs');
  }

  /** By now something else may have taken its address: that is told, and tried again. */
  async #listenLate(): Promise<void> {
    const before = this.#refusal;
    try {
      await this.#listen();
      this.#refusal = undefined;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.#refusal = error;
      if (before?.message === error.message) return;
      this.#own.log.error(
        { code: error.code, detail: sentenceOf(error) },
        'programs cannot connect yet',
      );
    }
  }

  /** Also who is amid a handshake that began under what was trusted before. */
  #cutOff(): void {
    this.#endHalfOpen();
    this.#server?.closeAllConnections();
  }

  /** @throws AgentError `request.forwarded`, `request.foreign_host`, `request.client_refused`, `request.unauthenticated` */
  #admit({ headers, socket }: IncomingMessage): void {
    assertDirect(headers);
    assertOwnHost(headers, this.#port, this.#shown);
    const { token, config } = this.#own;
    if (config.clientNames !== undefined) this.#certify(socket, config.clientNames);
    if (token !== undefined && !token.matches(headers['x-sallyport-token']))
      throw new AgentError('request.unauthenticated', 'X-Sallyport-Token is missing or wrong', {
        advice: 'send the token that localApi.tcp.tokenFile holds now',
      });
    this.#strangers.letIn(socket);
  }

  /** @throws AgentError `request.client_refused` */
  #certify(socket: Socket, names: readonly string[]): void {
    const untilMs = this.#certified.get(socket) ?? certifiedUntil(socket, names);
    if (untilMs === undefined || untilMs <= Date.now()) throw clientRefused();
    if (!this.#certified.has(socket)) socket.once('close', () => this.#certified.delete(socket));
    this.#certified.set(socket, untilMs);
  }

  #plainServer(): Server {
    return createServer(limits).on('connection', (socket) => this.#strangers.add(socket));
  }

  #tlsServer(): TlsServer {
    const { stores, log } = this.#own;
    const asks = stores.truststore !== undefined;
    const server = createTlsServer({
      ...limits,
      ...securedBy(this.#own),
      requestCert: asks,
      rejectUnauthorized: asks,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#endHalfOpen = boundHalfOpen(server);
    tellOfRefused(server, refusalsTo(log, 'a program’s connection was refused'));
    return server.on('secureConnection', (socket) => this.#strangers.add(socket));
  }
}

/** Until when a certificate lets in a program that has one of these names; undefined when it does not. */
function certifiedUntil(socket: Socket, names: readonly string[]): number | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  try {
    return certificate !== undefined && isNamedClient(certificate, names)
      ? certificate.validToDate.getTime()
      : undefined;
  } catch (error) {
    // Its names cannot be read, or there are none.
    if (error instanceof LinkError) return undefined;
    throw error;
  }
}

function clientRefused(): AgentError {
  return new AgentError(
    'request.client_refused',
    'the program’s certificate has none of the names that are let in, has expired, or is not for clients',
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
