import type { FastifyInstance, FastifyRequest } from 'fastify';
import { recordDenial } from '../audit/index.ts';
import type { UnreadableReports } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { problemHandler } from './problem-reply.ts';
import { operationOf } from './request-operation.ts';

/**
 * Records before it is answered every refusal for want of a right, also one that the caller is told of as
 * something missing, and every stored value that did not open.
 */
export function auditRefusals(
  api: FastifyInstance,
  platform: Platform,
  unreadable: UnreadableReports,
): void {
  const handleError = problemHandler(platform.metrics);
  api.setErrorHandler(async (error, request, reply) => {
    const recorded = await record(platform, unreadable, request, error)
      .then(() => error)
      .catch((failure: unknown) => failure);
    return handleError(recorded, request, reply);
  });
}

async function record(
  platform: Platform,
  unreadable: UnreadableReports,
  request: FastifyRequest,
  error: unknown,
): Promise<void> {
  await unreadable.notice(error, operationOf(request));
  if (error instanceof AppError && error.denial !== undefined)
    await recordDenial(platform, operationOf(request), error.denial, {
      subject: `route:${request.routeOptions.url ?? 'unknown'}`,
      code: error.code,
    });
}
