import { takeLeaseBody, takenLease } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { problemResponses } from '../http/problem-responses.ts';
import type { RequestLimits } from '../http/request-limits.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { Turns } from '../platform/turns.ts';
import { lendSecret } from './lend-secret.ts';

/** Two, so that one is prepared while another holds the secret. The others wait here, without a connection. */
const PER_SECRET = {
  concurrency: 2,
  queued: 1_000,
  patienceMs: 5_000,
  refusal: () =>
    new AppError(
      'rate.limited',
      'Too many agents ask for a lease of this secret; try again shortly.',
      { retryAfterSeconds: 2 },
    ),
};

/** `POST /agent/v1/leases`. */
export function lendingRoutes(
  platform: Platform,
  limits: Pick<RequestLimits, 'countLease'>,
): FastifyPluginAsyncZod {
  const ofSecrets = new Turns(PER_SECRET);
  return async (app) => {
    app.post(
      '/leases',
      {
        config: { permission: 'agent' },
        schema: { body: takeLeaseBody, response: { 201: takenLease, ...problemResponses } },
      },
      async (request, reply) => {
        const [op, agent] = [operationOf(request), agentOf(request)];
        limits.countLease(agent.agentId);
        const lend = () => lendSecret(platform, op, agent, request.body);
        const lent = await ofSecrets.take(`${agent.groupId} ${request.body.secret}`, lend);
        return reply.code(201).send(lent);
      },
    );
  };
}
