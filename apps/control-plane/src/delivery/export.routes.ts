import { exportBundleBody, exportedBundle, uuid } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import { exportBundle, type ExportDeps } from './export-bundle.ts';

/** `/api/v1/agents/:agent/bundle`. */
export function exportRoutes(deps: ExportDeps): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/agents/:agent/bundle',
      {
        // Not kept: it can be as large as a group, and to make it again is an act of its own.
        config: { permission: 'bundle:export', keepReply: false },
        schema: {
          tags: ['agents'],
          operationId: 'exportBundle',
          summary: 'Export a bundle for an agent that never has a network',
          description:
            'For `sallyport-agent bundle import` on the host: the group’s current revision, sealed for this agent alone. What may not be kept on disk, and what is lent out, is not in it. It is audited before it leaves. `bundle.agent_revoked` (409); `bundle.agent_moved` (409) when the agent was moved meanwhile: ask again.',
          params: z.object({ agent: uuid }),
          body: exportBundleBody,
          response: { 200: exportedBundle, ...problemResponses },
        },
      },
      async (request) =>
        exportBundle(deps, operationOf(request), request.params.agent, request.body),
    );
  };
}
