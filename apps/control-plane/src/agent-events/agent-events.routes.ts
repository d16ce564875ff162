import { reportedEventsBody } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import type { RequestLimits } from '../http/request-limits.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { reportEvents } from './report-events.ts';

/** `POST /agent/v1/events`. */
export function agentEventsRoutes(
  platform: Platform,
  limits: Pick<RequestLimits, 'countEvents'>,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/events',
      {
        config: { permission: 'agent' },
        schema: { body: reportedEventsBody, response: { 204: z.null(), ...problemResponses } },
      },
      async (request, reply) => {
        const agent = agentOf(request);
        limits.countEvents(agent.agentId, request.body.events.length);
        await reportEvents(platform, operationOf(request), agent, request.body);
        return reply.code(204).send(null);
      },
    );
  };
}
