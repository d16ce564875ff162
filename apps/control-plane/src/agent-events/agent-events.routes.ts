import { reportedEventsBody } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { reportEvents } from './report-events.ts';

/** `POST /agent/v1/events`. */
export function agentEventsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/events',
      {
        config: { permission: 'agent' },
        schema: { body: reportedEventsBody, response: { 204: z.null(), ...problemResponses } },
      },
      async (request, reply) => {
        await reportEvents(platform, operationOf(request), agentOf(request), request.body);
        return reply.code(204).send(null);
      },
    );
  };
}
