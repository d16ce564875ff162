import type { FastifyInstance, FastifyRequest } from 'fastify';
import { appendAuditEvent } from '../audit/index.ts';
import type { UnreadableReports } from '../keyrings/index.ts';
import { AppError, type Denial } from '../platform/app-error.ts';
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
    await recordDenial(platform, request, error.denial, error.code);
}

async function recordDenial(
  { db, clock }: Platform,
  request: FastifyRequest,
  { permission, groupId }: Denial,
  code: string,
): Promise<void> {
  const act = {
    action: permission,
    subject: `route:${request.routeOptions.url ?? 'unknown'}`,
    ...(groupId === undefined ? {} : { groupId }),
    outcome: 'refused',
    details: { code },
  } as const;
  await db.transaction((tx) => appendAuditEvent(tx, operationOf(request), act, clock.now()));
}
