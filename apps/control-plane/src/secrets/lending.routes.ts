import { takeLeaseBody, takenLease } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { problemResponses } from '../http/problem-responses.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { lendSecret } from './lend-secret.ts';

/** `POST /agent/v1/leases`. */
export function lendingRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/leases',
      {
        config: { permission: 'agent' },
        schema: { body: takeLeaseBody, response: { 201: takenLease, ...problemResponses } },
      },
      async (request, reply) =>
        reply
          .code(201)
          .send(await lendSecret(platform, operationOf(request), agentOf(request), request.body)),
    );
  };
}
