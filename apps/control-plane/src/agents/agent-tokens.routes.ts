import {
  agentToken,
  createAgentTokenBody,
  createdAgentToken,
  page,
  rotateAgentTokenBody,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import {
  createAgentToken,
  listTokensOfAgent,
  revokeAgentToken,
  rotateAgentToken,
} from './agent-tokens.service.ts';

const tags = ['agent tokens'];
const agentParams = z.object({ agent: uuid });
const params = agentParams.extend({ agentToken: uuid });
const path = '/agents/:agent/tokens';

/** `/api/v1/agents/:agent/tokens`. */
export function agentTokensRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      path,
      {
        config: { permission: 'agent-token:create' },
        schema: {
          tags,
          summary: 'Create a token with which an agent opens sessions',
          params: agentParams,
          body: createAgentTokenBody,
          response: { 201: createdAgentToken, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { agent } = request.params;
        const op = operationOf(request);
        return reply.code(201).send(await createAgentToken(platform, op, agent, request.body));
      },
    );

    app.get(
      path,
      {
        config: { permission: 'agent-token:read' },
        schema: {
          tags,
          summary: 'List an agent’s tokens, without their texts',
          params: agentParams,
          response: { 200: page(agentToken), ...problemResponses },
        },
      },
      async (request) => listTokensOfAgent(platform, operationOf(request), request.params.agent),
    );

    app.post(
      `${path}/:agentToken/rotate`,
      {
        config: { permission: 'agent-token:rotate' },
        schema: {
          tags,
          summary: 'Create a token that takes the place of one, which goes on for a while',
          params,
          body: rotateAgentTokenBody,
          response: { 201: createdAgentToken, ...problemResponses },
        },
      },
      async (request, reply) => {
        const at = { agentId: request.params.agent, id: request.params.agentToken };
        const op = operationOf(request);
        return reply.code(201).send(await rotateAgentToken(platform, op, at, request.body));
      },
    );

    app.post(
      `${path}/:agentToken/revoke`,
      {
        config: { permission: 'agent-token:revoke' },
        schema: {
          tags,
          summary: 'End an agent token and the sessions that it opened',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const at = { agentId: request.params.agent, id: request.params.agentToken };
        await revokeAgentToken(platform, operationOf(request), at);
        return reply.code(204).send(null);
      },
    );
  };
}
