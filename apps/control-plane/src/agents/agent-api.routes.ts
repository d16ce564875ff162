import {
  enrollBody,
  enrollReply,
  renewSessionBody,
  sessionBody,
  sessionReply,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { problemResponses } from '../http/problem-responses.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import type { Trust } from '../trust/index.ts';
import type { AgentSessions } from './agent-sessions.ts';
import { agentRequest } from './authenticate-agent.ts';
import { enroll } from './enroll.ts';

/** `/agent/v1/enroll` and `/agent/v1/session`: how an agent comes in. */
export function agentEntryRoutes(
  platform: Platform,
  trust: Trust,
  sessions: AgentSessions,
): FastifyPluginAsyncZod {
  const tokens = new TokenChecks(platform.clock, platform.enrollmentHashing);
  const enrollDeps = { platform, trust, tokens };
  return async (app) => {
    app.post(
      '/enroll',
      {
        config: { permission: 'public' },
        schema: { body: enrollBody, response: { 201: enrollReply, ...problemResponses } },
      },
      async (request, reply) =>
        reply.code(201).send(await enroll(enrollDeps, operationOf(request), request.body)),
    );

    app.post(
      '/session',
      {
        config: { permission: 'public' },
        schema: { body: sessionBody, response: { 200: sessionReply, ...problemResponses } },
      },
      async (request) =>
        sessions.open(request.body, agentRequest(request), {
          requestId: request.id,
          address: request.ip,
        }),
    );

    app.post(
      '/session/renew',
      {
        config: { permission: 'agent' },
        schema: { body: renewSessionBody, response: { 200: sessionReply, ...problemResponses } },
      },
      async (request) => sessions.renew(agentOf(request)),
    );
  };
}
