import { constants } from 'node:crypto';
import { boundHalfOpen } from '@sallyport/tls/half-open';
import { plainAddress } from '@sallyport/tls/plain-address';
import { tlsOptions, type TlsPolicy } from '@sallyport/tls/policy';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import { AppError } from '../platform/app-error.ts';
import type { Metrics } from '../platform/metrics.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import type { ServerCertificate } from '../trust/index.ts';
import { collectMethods } from './allowed-methods.ts';
import { clientErrorHandler } from './client-error.ts';
import { forgetForwardedPorts } from './forwarded-ports.ts';
import { parseJsonBodies } from './json-body.ts';
import { refuseTwoHosts } from './one-host.ts';
import { problemHandler, sendProblem } from './problem-reply.ts';
import { MAX_HEADER_BYTES, refuseOversized } from './request-size.ts';
import { validateRequest } from './validate-request.ts';

const BODY_LIMIT_BYTES = 256 * 1024;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Headers come in one piece from whoever does not mean to hold a connection. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often connections that are past their time are looked for. */
const CONNECTIONS_CHECK_MS = 2_000;
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const MAX_PARAM_LENGTH = 256;
const PULL_ROUTE = '/agent/v1/pull';

/** The CAs of client certificates, PEM each: the built-in ones, and the organisation's. */
export type ClientAuthorities = { builtIn: readonly string[]; own: readonly string[] };

/** What a listener is given from outside. */
export type ListenerLimits = {
  certificate: ServerCertificate;
  tls: TlsPolicy;
  maxConnections: number;
  /** Absent: no client certificate is asked for. Otherwise one is, and may be left out. */
  clientAuthorities?: ClientAuthorities;
  /** Proxies whose X-Forwarded-For is believed, by address or CIDR. */
  trustProxy: string[];
};

/** What a listener needs of its own. */
export type ListenerOptions = ListenerLimits & {
  name: string;
  /** How its callers authenticate, as every 401 names it: challenges of RFC 6750, section 3, and RFC 9449, section 7.1. */
  challenge: string;
  /** For a request to arrive. */
  requestTimeoutMs: number;
  /** For a connection on which nothing moves, also because the answer is not ready. */
  silenceTimeoutMs: number;
  /** What a caller that asks for a route which is not there is told: it may have come to the wrong listener. */
  noSuchRoute: string;
};

/** A Fastify instance over TLS with what both APIs share: limits, problem documents, request ids, logs, metrics. */
export function createApp({ log, metrics }: Platform, options: ListenerOptions): FastifyInstance {
  const listenerLog = log.child({ component: options.name });
  const logger: FastifyBaseLogger = listenerLog;
  const handleError = problemHandler(metrics);
  const app = Fastify({
    https: tlsListener(options),
    loggerInstance: logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    requestTimeout: options.requestTimeoutMs,
    connectionTimeout: options.silenceTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: true,
    genReqId: () => newId(),
    frameworkErrors: (error, request, reply) => void handleError(error, request, reply),
    clientErrorHandler: clientErrorHandler({ log: listenerLog, metrics }),
    trustProxy: options.trustProxy.length === 0 ? false : options.trustProxy,
    exposeHeadRoutes: false,
  });
  app.server.maxConnections = options.maxConnections;
  // Node would drop what is over its limit; `refuseOversized` counts all headers and refuses too many.
  app.server.maxHeadersCount = 0;
  endHandshakes(app);
  // Fastify takes text/plain by default, and a page of another site can send it without asking.
  app.removeContentTypeParser('text/plain');
  parseJsonBodies(app);
  app.setValidatorCompiler(validateRequest);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('operation', null);
  app.decorateRequest('agentClaims', null);
  app.setErrorHandler(handleError);
  const methodsOf = collectMethods(app);
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf(request.url).join(', ');
    if (allowed === '')
      return sendProblem(reply, request.id, new AppError('request.not_found', options.noSuchRoute));
    const refusal = new AppError('request.method_not_allowed', `This path takes ${allowed}.`);
    return sendProblem(reply.header('allow', allowed), request.id, refusal);
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store');
    refuseOversized(request);
    forgetForwardedPorts(request);
    refuseTwoHosts(request);
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (reply.statusCode === 401) reply.header('www-authenticate', options.challenge);
    done();
  });
  tellOfReplies(app, options.name, metrics);
  return app;
}

/** Ends at the stop what has not finished its handshake: HTTP does not know of it, and it would be waited for. */
function endHandshakes(app: FastifyInstance): void {
  // None before: agents come back by the thousand.
  const cutOff = boundHalfOpen(app.server, Infinity);
  app.addHook('preClose', (done) => {
    cutOff();
    done();
  });
}

/** TLS and the limits of what comes before a request is one. */
function tlsListener({ certificate, tls, clientAuthorities }: ListenerLimits) {
  return {
    ...certificate,
    // A missing or bad certificate is answered in words: the handshake could only break off.
    ...(clientAuthorities === undefined
      ? {}
      : { requestCert: true, rejectUnauthorized: false, ...trusting(clientAuthorities) }),
    ...tlsOptions(tls),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
}

/** How client certificates are verified. */
export function trusting({ builtIn, own }: ClientAuthorities) {
  return {
    ca: [...builtIn, ...own],
    // An intermediate CA that is trusted is enough: OpenSSL would ask for the root.
    allowPartialTrustChain: true,
    // A resumed session has the client's own certificate, and not those between it and a CA.
    ...(own.length === 0 ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  };
}

/** Logs and counts every reply. */
function tellOfReplies(app: FastifyInstance, listener: string, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions } = request;
    const route = routeOptions.url ?? 'unknown';
    const status = reply.statusCode;
    // An agent pulls without end: what comes of it is counted and acknowledged, and would drown the log.
    const isPull = route === PULL_ROUTE;
    if (!isPull)
      metrics.httpSeconds.observe({ listener, method, route, status }, reply.elapsedTime / 1000);
    request.log[isPull ? 'debug' : 'info'](
      {
        method,
        route,
        status,
        durationMs: Math.round(reply.elapsedTime),
        address: plainAddress(request.ip),
      },
      'request',
    );
  });
}
