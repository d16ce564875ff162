import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { recordDenial } from '../audit/index.ts';
import type { UnreadableReports } from '../keyrings/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { problemHandler } from './problem-reply.ts';
import { operationOf } from './request-operation.ts';

/** What a parameter of a path names, as the audit calls it: what is within another thing before that. */
const KINDS = [
  ['secret', 'secret'],
  ['plugin', 'plugin'],
  ['certificate', 'certificate'],
  ['lease', 'lease'],
  ['link', 'link'],
  ['token', 'enrollment-token'],
  ['agentToken', 'agent-token'],
  ['task', 'task'],
  ['agent', 'agent'],
  ['group', 'group'],
  ['type', 'plugin-type'],
  ['operator', 'operator'],
  ['key', 'api-key'],
  ['authority', 'certificate-authority'],
] as const;

const names = z.record(z.string(), z.string());

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
      subject: subjectOf(request),
      code: error.code,
    });
}

/**
 * What the path names, in the form that the act itself would be recorded with; whether it is there is not told.
 * Only what the route's contract takes is repeated; where nothing is named, it is the route.
 */
function subjectOf({ params, routeOptions: { schema, url = 'unknown' } }: FastifyRequest): string {
  const contract = schema?.params instanceof z.ZodType ? schema.params : z.never();
  const { data: named = {} } = names.safeParse(contract.safeParse(params).data);
  const [subject = `route:${url}`] = KINDS.flatMap(([param, kind]) =>
    named[param] === undefined ? [] : [`${kind}:${named[param]}`],
  );
  return subject;
}
