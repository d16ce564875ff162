import type { FastifyInstance } from 'fastify';
import { appendAuditEvent } from '../audit/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { problemHandler } from './problem-reply.ts';
import { operationOf } from './request-operation.ts';

/**
 * Records every refusal for want of a right before it is answered, also one that the caller is told of as
 * something missing.
 */
export function auditDenials(api: FastifyInstance, { db, clock, metrics }: Platform): void {
  const handleError = problemHandler(metrics);
  api.setErrorHandler(async (error, request, reply) => {
    if (!(error instanceof AppError) || error.denial === undefined)
      return handleError(error, request, reply);
    const { permission, groupId } = error.denial;
    const act = {
      action: permission,
      subject: `route:${request.routeOptions.url ?? 'unknown'}`,
      ...(groupId === undefined ? {} : { groupId }),
      outcome: 'refused',
      details: { code: error.code },
    } as const;
    const recorded = await db
      .transaction((tx) => appendAuditEvent(tx, operationOf(request), act, clock.now()))
      .then(() => error)
      .catch((failure: unknown) => failure);
    return handleError(recorded, request, reply);
  });
}
