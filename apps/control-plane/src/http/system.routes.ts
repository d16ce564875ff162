import { PROTOCOL, systemInfo } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { VERSION } from '../platform/version.ts';
import { problemResponses } from './problem-responses.ts';
import { operationOf } from './request-operation.ts';

/** What whoever sets an agent up needs to know. */
export type SystemFacts = { caFingerprint: string; agentUrl: () => string };

/** `/api/v1/system`. */
export function systemRoutes(info: SystemFacts): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/system/info',
      {
        config: { permission: 'system:read' },
        schema: {
          tags: ['system'],
          summary: 'Version and first-contact facts',
          response: { 200: systemInfo, ...problemResponses },
        },
      },
      async (request) => {
        operationOf(request).authorize('system:read');
        return {
          version: VERSION,
          protocol: PROTOCOL,
          caFingerprint: info.caFingerprint,
          agentUrl: info.agentUrl(),
        };
      },
    );
  };
}
