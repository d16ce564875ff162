import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Problem } from '@sallyport/contract';
import { sentenceOf, type AgentError, type AgentErrorCode } from '../agent-error.ts';

export const statuses: Partial<Record<AgentErrorCode, number>> = {
  'request.invalid': 400,
  'request.not_found': 404,
  'request.unauthenticated': 401,
  'request.not_allowed': 403,
  'request.client_refused': 403,
  'request.user_refused': 403,
  'request.forwarded': 403,
  'request.method_not_allowed': 405,
  'request.foreign_host': 421,
  'secret.not_found': 404,
  'secret.version_not_found': 404,
  'secret.field_not_found': 404,
  'secret.not_json': 422,
  'secret.not_lent': 409,
  'secret.expired': 503,
  'lease.not_found': 404,
  'lease.outside_window': 403,
  'lease.too_many': 429,
  'lease.not_renewable': 409,
  'lease.used_up': 410,
  'lease.expired': 410,
  'lease.ended': 410,
  'lease.unavailable': 503,
  'reference.invalid': 502,
  'reference.not_configured': 502,
  'reference.not_found': 502,
  'reference.denied': 502,
  'reference.failed': 502,
  'reference.unreachable': 503,
  'reference.rate_limited': 503,
  'plugin.not_found': 404,
  'certificate.not_found': 404,
  'agent.revoked': 403,
  'agent.not_ready': 503,
  'agent.busy': 503,
};

/** Answers with a problem document (RFC 9457). */
export function sendProblem(response: ServerResponse, error: AgentError, requestId: string): void {
  const status = statuses[error.code] ?? 500;
  const document: Problem = {
    type: `urn:sallyport:problem:${error.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: error.code,
    detail: sentenceOf(error),
    requestId,
  };
  const body = Buffer.from(JSON.stringify(document));
  if (status === 405 && !response.hasHeader('allow')) response.setHeader('allow', 'GET');
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': body.byteLength,
    'cache-control': 'no-store',
    'x-request-id': requestId,
    ...(status === 401 ? { 'www-authenticate': 'X-Sallyport-Token' } : {}),
    ...(status === 503 ? { 'retry-after': retryAfterOf(error) } : {}),
  });
  response.end(body);
}

/** Whole seconds, at least one (RFC 9110, section 10.2.3). */
function retryAfterOf({ retryAfterMs = 0 }: AgentError): string {
  return String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
}
