import { tlsOptions } from '@sallyport/tls/policy';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import type { Platform } from '../platform/platform.ts';
import type { ServerCertificate } from '../trust/index.ts';
import { clientErrorHandler } from './client-error.ts';
import { problemHandler, sendProblem } from './problem-reply.ts';

const BODY_LIMIT_BYTES = 256 * 1024;
const MAX_PARAM_LENGTH = 256;
const PULL_ROUTE = '/agent/v1/pull';

/** What a listener needs of its own. */
export type ListenerOptions = {
  name: string;
  certificate: ServerCertificate;
  requestTimeoutMs: number;
  /** What a caller that asks for a route which is not there is told: it may have come to the wrong listener. */
  noSuchRoute: string;
};

/** A Fastify instance over TLS with what both APIs share: limits, problem documents, request ids, logs, metrics. */
export function createApp({ log, metrics }: Platform, options: ListenerOptions): FastifyInstance {
  const listenerLog = log.child({ component: options.name });
  const logger: FastifyBaseLogger = listenerLog;
  const handleError = problemHandler(metrics);
  const app = Fastify({
    https: { ...options.certificate, ...tlsOptions(), handshakeTimeout: 10_000 },
    loggerInstance: logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
    genReqId: () => newId(),
    frameworkErrors: (error, request, reply) => void handleError(error, request, reply),
    clientErrorHandler: clientErrorHandler({ log: listenerLog, metrics }),
    trustProxy: false,
    exposeHeadRoutes: false,
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('operation', null);
  app.decorateRequest('agentClaims', null);
  app.setErrorHandler(handleError);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, request.id, new AppError('request.not_found', options.noSuchRoute)),
  );
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store');
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions } = request;
    const route = routeOptions.url ?? 'unknown';
    const status = reply.statusCode;
    // An agent pulls without end: what comes of it is counted and acknowledged, and would drown the log.
    const isPull = route === PULL_ROUTE;
    if (!isPull)
      metrics.httpSeconds.observe(
        { listener: options.name, method, route, status },
        reply.elapsedTime / 1000,
      );
    request.log[isPull ? 'debug' : 'info'](
      {
        method,
        route,
        status,
        durationMs: Math.round(reply.elapsedTime),
        address: request.ip,
      },
      'request',
    );
  });
  return app;
}
