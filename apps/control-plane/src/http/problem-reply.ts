import { STATUS_CODES } from 'node:http';
import type { ErrorCode, ErrorKind, Problem, ProblemIssue } from '@sallyport/contract';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { AppError } from '../platform/app-error.ts';
import type { Metrics } from '../platform/metrics.ts';

/** The one place where a kind of error becomes an HTTP status. */
const statusOf: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  conflict: 409,
  tooLarge: 413,
  unsupportedMediaType: 415,
  limited: 429,
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
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'request.unsupported_media_type',
    'Send the body as application/json.',
  ],
  FST_ERR_BAD_URL: ['request.not_found', 'There is no such route.'],
};

/** Makes the error handler of a listener: every error leaves as a problem document (RFC 9457) and is logged once. */
export function problemHandler(metrics: Metrics) {
  return async (
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const refusal = asAppError(error);
    metrics.refusals.inc({ code: refusal.code });
    const level = refusal.kind === 'internal' ? 'error' : 'info';
    request.log[level](
      { code: refusal.code, err: refusal, route: request.routeOptions.url, method: request.method },
      'request refused',
    );
    return sendProblem(reply, request.id, refusal);
  };
}

/** Sends an error as `application/problem+json`. */
export function sendProblem(reply: FastifyReply, requestId: string, error: AppError): FastifyReply {
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
  if (error.retryAfterSeconds !== undefined)
    void reply.header('retry-after', String(error.retryAfterSeconds));
  if (status === 401)
    void reply.header('www-authenticate', error.code.startsWith('session') ? 'Bearer' : 'DPoP');
  // A string: the problem must reach the client whatever response schema the route declares.
  return reply
    .code(status)
    .type('application/problem+json')
    .serializer(String)
    .send(JSON.stringify(body));
}

function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return invalid(error);
  if (isFastifyError(error)) {
    const [code, message] = fastifyCodes[error.code] ?? [];
    if (code !== undefined && message !== undefined)
      return new AppError(code, message, { cause: error });
  }
  return new AppError('server.internal', 'Something went wrong here; the log has the request id.', {
    cause: error,
  });
}

function invalid(error: {
  validationContext?: string | undefined;
  validation: { instancePath: string; message?: string | undefined }[];
}): AppError {
  const where = error.validationContext ?? 'body';
  const issues = error.validation.map(({ instancePath, message }): ProblemIssue => ({
    field: [where, ...instancePath.split('/').filter(Boolean)].join('.'),
    message: message ?? 'is not valid',
  }));
  const fields = [...new Set(issues.map(({ field }) => field))].slice(0, 5).join(', ');
  return new AppError('request.invalid', `The request is not valid: see ${fields}.`, { issues });
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
