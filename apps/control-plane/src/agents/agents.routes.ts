import {
  admissionRequest,
  agent,
  agentsQuery,
  createdEnrollmentToken,
  createEnrollmentTokenBody,
  enrollmentToken,
  groupName,
  moveAgentBody,
  page,
  patchAgentBody,
  pageQuery,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { admitAgent } from './admit-agent.ts';
import { getAgent, listGroupAgents, revokeAgent } from './agents.service.ts';
import {
  createEnrollmentToken,
  listGroupTokens,
  revokeEnrollmentToken,
} from './enrollment-tokens.service.ts';
import { moveAgent } from './move-agent.ts';
import { updateAgent } from './update-agent.ts';

const groupParams = z.object({ group: groupName });
const agentParams = z.object({ agent: uuid });

const tokenTags = ['enrollment tokens'];
const createTokenSchema = {
  tags: tokenTags,
  summary: 'Create an enrollment token',
  params: groupParams,
  body: createEnrollmentTokenBody,
  response: { 201: createdEnrollmentToken, ...problemResponses },
};
const listTokensSchema = {
  tags: tokenTags,
  summary: 'List enrollment tokens',
  params: groupParams,
  querystring: pageQuery(uuid),
  response: { 200: page(enrollmentToken), ...problemResponses },
};

/** `/api/v1/groups/:group/enrollment-tokens`. */
export function enrollmentTokensRoutes(platform: Platform): FastifyPluginAsyncZod {
  const path = '/groups/:group/enrollment-tokens';
  return async (app) => {
    app.post(
      path,
      {
        config: { permission: 'enrollment-token:create' },
        schema: createTokenSchema,
      },
      async (request, reply) =>
        reply
          .code(201)
          .send(
            await createEnrollmentToken(
              platform,
              operationOf(request),
              request.params.group,
              request.body,
            ),
          ),
    );

    app.get(
      path,
      {
        config: { permission: 'enrollment-token:read' },
        schema: listTokensSchema,
      },
      async (request) =>
        listGroupTokens(platform, operationOf(request), request.params.group, request.query),
    );

    app.delete(
      `${path}/:token`,
      {
        config: { permission: 'enrollment-token:revoke' },
        schema: {
          tags: tokenTags,
          summary: 'Revoke an enrollment token',
          params: groupParams.extend({ token: uuid }),
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await revokeEnrollmentToken(
          platform,
          operationOf(request),
          request.params.group,
          request.params.token,
        );
        return reply.code(204).send(null);
      },
    );
  };
}

/** `/api/v1/agents` and `/api/v1/groups/:group/agents`. */
export function agentsRoutes(platform: Platform): FastifyPluginAsyncZod {
  const tags = ['agents'];
  return async (app) => {
    app.get(
      '/groups/:group/agents',
      {
        config: { permission: 'agent:read' },
        schema: {
          tags,
          summary: 'List agents',
          params: groupParams,
          querystring: agentsQuery,
          response: { 200: page(agent), ...problemResponses },
        },
      },
      async (request) =>
        listGroupAgents(platform, operationOf(request), request.params.group, request.query),
    );

    app.post(
      '/groups/:group/agents',
      {
        config: { permission: 'agent:admit' },
        schema: {
          tags,
          summary: 'Admit an agent that never has a network, by its request',
          params: groupParams,
          body: admissionRequest,
          response: { 201: agent, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply
          .code(201)
          .send(
            await admitAgent(platform, operationOf(request), request.params.group, request.body),
          ),
    );

    app.get(
      '/agents/:agent',
      {
        config: { permission: 'agent:read' },
        schema: {
          tags,
          summary: 'Show an agent',
          params: agentParams,
          response: { 200: agent, ...problemResponses },
        },
      },
      async (request) => getAgent(platform, operationOf(request), request.params.agent),
    );

    app.patch(
      '/agents/:agent',
      {
        config: { permission: 'agent:update' },
        schema: {
          tags,
          summary: 'Say which certificate of the organisation’s own CA is the agent’s',
          params: agentParams,
          body: patchAgentBody,
          response: { 200: agent, ...problemResponses },
        },
      },
      async (request) =>
        updateAgent(platform, operationOf(request), request.params.agent, request.body),
    );

    app.post(
      '/agents/:agent/revoke',
      {
        config: { permission: 'agent:revoke' },
        schema: {
          tags,
          summary: 'Revoke an agent for ever',
          params: agentParams,
          response: { 200: agent, ...problemResponses },
        },
      },
      async (request) => revokeAgent(platform, operationOf(request), request.params.agent),
    );

    app.post(
      '/agents/:agent/move',
      {
        config: { permission: 'agent:move' },
        schema: {
          tags,
          summary: 'Put an agent into another group',
          params: agentParams,
          body: moveAgentBody,
          response: { 200: agent, ...problemResponses },
        },
      },
      async (request) =>
        moveAgent(platform, operationOf(request), request.params.agent, request.body.group),
    );
  };
}
