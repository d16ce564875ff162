import { PROTOCOL, sensitiveData, systemInfo } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import { PRISMA_DIRECTORY, readSchema } from '../platform/prisma-folder.ts';
import { VERSION } from '../platform/version.ts';
import { listSensitiveData, sensitiveColumns } from './sensitive-data.ts';

/** What whoever sets an agent up needs to know. */
export type SystemFacts = { caFingerprint: () => string; agentUrl: () => string };

const tags = ['system'];

/** `/api/v1/system`. */
export function systemRoutes(facts: SystemFacts): FastifyPluginAsyncZod {
  return async (app) => {
    const columns = sensitiveColumns(await readSchema(PRISMA_DIRECTORY));

    app.get(
      '/system/info',
      {
        config: { permission: 'system:read' },
        schema: {
          tags,
          operationId: 'getSystemInfo',
          summary: 'Version and first-contact facts',
          description: 'What whoever sets an agent up needs. Any caller may ask this.',
          response: { 200: systemInfo, ...problemResponses },
        },
      },
      async (request) => {
        operationOf(request).authorize('system:read');
        return {
          version: VERSION,
          protocol: PROTOCOL,
          caFingerprint: facts.caFingerprint(),
          agentUrl: facts.agentUrl(),
        };
      },
    );

    app.get(
      '/system/sensitive-data',
      {
        config: { permission: 'sensitive-data:read' },
        schema: {
          tags,
          operationId: 'listSensitiveData',
          summary: 'Where sensitive data is, and how it is protected',
          description:
            'Every column of the database that holds something sensitive, as its schema says; `docs/sensitive-data.md` has the same.',
          response: { 200: sensitiveData, ...problemResponses },
        },
      },
      async (request) => listSensitiveData(columns, operationOf(request)),
    );
  };
}
