import { ban, banAgentBody, groupName, page, pageQuery, uuid } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { banAgent, liftBan, listGroupBans } from './bans.service.ts';

const tags = ['agents'];
const config = { permission: 'agent:ban' } as const;
const groupParams = z.object({ group: groupName });

/** `/api/v1/agents/:agent/ban` and `/api/v1/groups/:group/bans`. */
export function bansRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/agents/:agent/ban',
      {
        config,
        schema: {
          tags,
          operationId: 'banAgent',
          summary: 'Revoke an agent, and let nothing that is known of it enrol again',
          description:
            'Neither of its keys enrols again, in any group (`agent.banned`). It is revoked as by `revokeAgent`, unless it is already. A second ban of the same agent adds what it asks for, and takes nothing back.',
          params: z.object({ agent: uuid }),
          body: banAgentBody,
          response: { 200: ban, ...problemResponses },
        },
      },
      async (request) =>
        banAgent(platform, operationOf(request), request.params.agent, request.body),
    );

    app.get(
      '/groups/:group/bans',
      {
        config,
        schema: {
          tags,
          operationId: 'listBans',
          summary: 'List what may not enrol',
          description: 'Those of agents that were in this group, the oldest first.',
          params: groupParams,
          querystring: pageQuery(uuid),
          response: { 200: page(ban), ...problemResponses },
        },
      },
      async (request) =>
        listGroupBans(platform, operationOf(request), request.params.group, request.query),
    );

    app.delete(
      '/groups/:group/bans/:ban',
      {
        config,
        schema: {
          tags,
          operationId: 'liftBan',
          summary: 'Lift a ban',
          description:
            'What was banned may enrol again; the agent itself stays revoked. `ban.not_found` (404) when the group has no such ban.',
          params: groupParams.extend({ ban: uuid }),
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const { group, ban: id } = request.params;
        await liftBan(platform, operationOf(request), group, id);
        return reply.code(204).send(null);
      },
    );
  };
}
