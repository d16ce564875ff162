import {
  agentToken,
  createAgentTokenBody,
  createdAgentToken,
  page,
  pageQuery,
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
          operationId: 'createAgentToken',
          summary: 'Create a token with which an agent opens sessions',
          description:
            'The token is shown this once, and is good only together with a proof by the agent’s key. `agent_token.too_many` (409) when the agent has five that are good.',
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
          operationId: 'listAgentTokens',
          summary: 'List an agent’s tokens, without their texts',
          description:
            'The oldest first. One that has expired stays for a day, so that it can be seen how it ended.',
          params: agentParams,
          querystring: pageQuery(uuid),
          response: { 200: page(agentToken), ...problemResponses },
        },
      },
      async (request) =>
        listTokensOfAgent(platform, operationOf(request), request.params.agent, request.query),
    );

    app.post(
      `${path}/:agentToken/rotate`,
      {
        config: { permission: 'agent-token:rotate' },
        schema: {
          tags,
          operationId: 'rotateAgentToken',
          summary: 'Create a token that takes the place of one, which goes on for a while',
          description:
            'The new token is shown this once. A session that the old one opened lasts for 15 minutes more at most. `agent_token.not_found` (404) also for one that has ended: create a new one; `agent_token.too_many` (409) when the agent has five that are good.',
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
          operationId: 'revokeAgentToken',
          summary: 'End an agent token and the sessions that it opened',
          description:
            'At every replica at once. The agent keeps what it holds and serves it, marked as stale; with another token it comes back by itself. To revoke twice is the same as once.',
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
