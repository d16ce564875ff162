import {
  giveBackLeaseBody,
  groupName,
  lease,
  leasesQuery,
  leaseTerm,
  page,
  renewLeaseBody,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkProtocol } from '../agents/index.ts';
import { problemResponses } from '../http/problem-responses.ts';
import type { RequestLimits } from '../http/request-limits.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import {
  getLease,
  giveBackLease,
  listGroupLeases,
  renewLease,
  revokeLease,
} from './leases.service.ts';

const tags = ['leases'];
const groupParams = z.object({ group: groupName });
const leaseParams = groupParams.extend({ lease: uuid });
const path = '/groups/:group/leases';

/** `/api/v1/groups/:group/leases`. */
export function leasesRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      path,
      {
        config: { permission: 'lease:read' },
        schema: {
          tags,
          operationId: 'listLeases',
          summary: 'List the leases of a group, newest first',
          description:
            'Who has which secret, and how those that ended did. A lease is kept for 30 days after it would have expired.',
          params: groupParams,
          querystring: leasesQuery,
          response: { 200: page(lease), ...problemResponses },
        },
      },
      async (request) =>
        listGroupLeases(platform, operationOf(request), request.params.group, request.query),
    );

    app.get(
      `${path}/:lease`,
      {
        config: { permission: 'lease:read' },
        schema: {
          tags,
          operationId: 'getLease',
          summary: 'Show a lease',
          description:
            '`lease.not_found` (404) when the group has no such lease, or none any more.',
          params: leaseParams,
          response: { 200: lease, ...problemResponses },
        },
      },
      async (request) => getLease(platform, operationOf(request), request.params),
    );

    app.post(
      `${path}/:lease/revoke`,
      {
        config: { permission: 'lease:revoke' },
        schema: {
          tags,
          operationId: 'revokeLease',
          summary: 'End a lease: its value is forgotten where it is held',
          description:
            'Its agent is told at once; one that is out of reach forgets the value when the lease expires. What the program does with a value that it has read is out of reach: rotate the secret. One that is over already is answered as it is.',
          params: leaseParams,
          response: { 200: lease, ...problemResponses },
        },
      },
      async (request) => revokeLease(platform, operationOf(request), request.params),
    );
  };
}

/** `/agent/v1/leases/:lease/…`: an agent's word about a lease that it holds. */
export function heldLeasesRoutes(
  platform: Platform,
  limits: Pick<RequestLimits, 'countLease'>,
): FastifyPluginAsyncZod {
  const config = { permission: 'agent' } as const;
  const params = z.object({ lease: uuid });
  return async (app) => {
    app.post(
      '/leases/:lease/renew',
      {
        config,
        schema: { params, body: renewLeaseBody, response: { 200: leaseTerm, ...problemResponses } },
      },
      async (request) => {
        const { protocol, ...asked } = request.body;
        checkProtocol(protocol);
        const agent = agentOf(request);
        limits.countLease(agent.agentId);
        const of = { id: request.params.lease, ...asked };
        return renewLease(platform, operationOf(request), agent, of);
      },
    );
    app.post(
      '/leases/:lease/revoke',
      {
        config,
        schema: {
          params,
          body: giveBackLeaseBody.nullish(),
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const how = request.body?.usedUp === true ? 'usedUp' : 'returned';
        const lease = { id: request.params.lease, how } as const;
        await giveBackLease(platform, operationOf(request), agentOf(request), lease);
        return reply.code(204).send(null);
      },
    );
  };
}
