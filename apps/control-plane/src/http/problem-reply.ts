import { STATUS_CODES } from 'node:http';
import type { ErrorCode, ErrorKind, Problem } from '@sallyport/contract';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';
import type { Metrics } from '../platform/metrics.ts';
import { mediaTypesOf, unsupportedMediaType } from './json-body.ts';

/** The one place where a kind of error becomes an HTTP status. */
const statusOf: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  timedOut: 408,
  conflict: 409,
  preconditionFailed: 412,
  tooLarge: 413,
  unsupportedMediaType: 415,
  unprocessable: 422,
  preconditionRequired: 428,
  limited: 429,
  headersTooLarge: 431,
  internal: 500,
  unavailable: 503,
};

/** Fastify's own refusals, as ours. */
const fastifyCodes: Record<string, [ErrorCode, string]> = {
  FST_ERR_CTP_INVALID_JSON_BODY: ['request.malformed_json', 'The body is not valid JSON.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['request.malformed_json', 'The body is empty; send a JSON object.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'request.malformed_json',
    'The body is not as long as its Content-Length says.',
  ],
  FST_ERR_CTP_BODY_TOO_LARGE: ['request.too_large', 'The body is too large for this route.'],
  FST_ERR_BAD_URL: ['request.invalid', 'The path is not valid: percent-encode what is no letter.'],
  FST_ERR_MAX_PARAM_LENGTH: [
    'request.invalid',
    'A part of the path is longer than any name or id may be.',
  ],
};

const UNSUPPORTED = /^FST_ERR_(?:CTP_INVALID_MEDIA_TYPE|ROUTE_MISSING_CONTENT_TYPE)$/;

/** Makes the error handler of a listener: every error leaves as a problem document (RFC 9457) and is logged once. */
export function problemHandler(metrics: Metrics) {
  return async (
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const refusal = asAppError(error, request);
    metrics.refusals.inc({ code: refusal.code });
    const level = refusal.kind === 'internal' ? 'error' : 'info';
    request.log[level](
      { code: refusal.code, err: refusal, route: request.routeOptions.url, method: request.method },
      'request refused',
    );
    // RFC 9110, section 15.5.16; RFC 5789, section 2.2.
    if (refusal.kind === 'unsupportedMediaType')
      reply.header(
        request.method === 'PATCH' ? 'accept-patch' : 'accept',
        mediaTypesOf(request).join(', '),
      );
    return sendProblem(reply, request.id, refusal);
  };
}

/** An error as an HTTP reply: `application/problem+json`, UTF-8. */
export type ProblemReply = { status: number; headers: Record<string, string>; body: string };

export function problemReply(error: AppError, requestId: string): ProblemReply {
  const status = statusOf[error.kind];
  const body: Problem = {
    type: `urn:sallyport:problem:${error.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: error.code,
    detail: error.message,
    requestId,
    ...(error.issues === undefined ? {} : { issues: error.issues }),
  };
  const { retryAfterSeconds } = error;
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'x-request-id': requestId,
      'cache-control': 'no-store',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
    body: JSON.stringify(body),
  };
}

export function sendProblem(reply: FastifyReply, requestId: string, error: AppError): FastifyReply {
  const { status, headers, body } = problemReply(error, requestId);
  // A string: the problem must reach the client whatever response schema the route declares.
  return reply.code(status).headers(headers).serializer(String).send(body);
}

function asAppError(error: unknown, request: FastifyRequest): AppError {
  if (error instanceof AppError) return error;
  if (isFastifyError(error)) {
    if (UNSUPPORTED.test(error.code)) return unsupportedMediaType(request, error);
    const [code, message] = fastifyCodes[error.code] ?? [];
    if (code !== undefined && message !== undefined)
      return new AppError(code, message, { cause: error });
    // Of Fastify, or of a socket that Fastify read from: the client’s fault, or it hung up.
    const { statusCode = 500 } = error;
    if (statusCode >= 400 && statusCode < 500)
      return new AppError(
        'request.invalid',
        'The request is not valid HTTP or ended too soon; send it again as a whole.',
        { cause: error },
      );
  }
  return new AppError('server.internal', 'Something went wrong here; the log has the request id.', {
    cause: error,
  });
}

/** What Fastify throws, or hands on from a socket, as it looks: not all of it is an `Error` of ours. */
function isFastifyError(error: unknown): error is Pick<FastifyError, 'code' | 'statusCode'> {
  return (
    typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
  );
}
