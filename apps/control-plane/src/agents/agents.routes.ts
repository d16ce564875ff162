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
import { getAgent, listGroupAgents, listVisibleAgents, revokeAgent } from './agents.service.ts';
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
  operationId: 'createEnrollmentToken',
  summary: 'Create an enrollment token',
  description: 'The token is shown this once. Each agent that enrols takes one of its uses.',
  params: groupParams,
  body: createEnrollmentTokenBody,
  response: { 201: createdEnrollmentToken, ...problemResponses },
};
const listTokensSchema = {
  tags: tokenTags,
  operationId: 'listEnrollmentTokens',
  summary: 'List enrollment tokens',
  description:
    'The oldest first. One that has expired stays for a day, so that it can be seen how it ended.',
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
          operationId: 'revokeEnrollmentToken',
          summary: 'Revoke an enrollment token',
          description:
            'No agent enrols with it any more; those that have stay. To revoke twice is the same as once. `token.not_found` (404) when the group has no such token.',
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
          operationId: 'listAgents',
          summary: 'List agents',
          description: 'In the order in which they enrolled, revoked ones too.',
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
          operationId: 'admitAgent',
          summary: 'Admit an agent that never has a network, by its request',
          description:
            'The body is what `sallyport-agent bundle request` wrote on the host. Whoever admits it vouches for where it comes from: compare `keyThumbprint` with what the host printed. Its values are carried to it by `exportBundle`. `admission.proof_invalid` (400) for a request that was changed; `admission.banned` and `agent.keys_taken` (409).',
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
      '/agents',
      {
        config: { permission: 'agent:read' },
        schema: {
          tags,
          operationId: 'listVisibleAgents',
          summary: 'List the agents of every group',
          description:
            'Of each group in which the caller may see them, in the order in which they enrolled, revoked ones too.',
          querystring: agentsQuery,
          response: { 200: page(agent), ...problemResponses },
        },
      },
      async (request) => listVisibleAgents(platform, operationOf(request), request.query),
    );

    app.get(
      '/agents/:agent',
      {
        config: { permission: 'agent:read' },
        schema: {
          tags,
          operationId: 'getAgent',
          summary: 'Show an agent',
          description:
            '`agent.not_found` (404) also for one in a group that the caller may not see.',
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
          operationId: 'updateAgent',
          summary: 'Say which certificate of the organisation’s own CA is the agent’s',
          description:
            'Sessions that another certificate opened end at their next renewal. `agent.identity_taken` (409) while another agent that is not revoked has it.',
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
          operationId: 'revokeAgent',
          summary: 'Revoke an agent for ever',
          description:
            'Its pull that waits is answered, its sessions end at every replica, its leases end, and it wipes what it holds as soon as it hears of it. The group’s next bundle is sealed with a key that it does not get; the other agents are sent it at once. To come back, its host has to enrol, as another agent. To revoke twice is the same as once.',
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
          operationId: 'moveAgent',
          summary: 'Put an agent into another group',
          description:
            'Asks for the permission in both groups, and is audited in both. The agent keeps its keys, agent tokens and certificates, opens a new session by itself, and fetches the new group’s values; its leases end, and the old group’s next bundle is sealed with a key that it does not get. Into the group that it is in nothing is done. `agent.cannot_move` (409) for one that is revoked, or that somebody else has moved meanwhile.',
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
