import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { PROTOCOL, systemInfo } from '@sallyport/contract';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, type FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { agentsRoutes, enrollmentTokensRoutes } from '../agents/index.ts';
import { groupsRoutes } from '../groups/index.ts';
import { selfRoutes, SessionAuthenticator, sessionsRoutes } from '../operators/index.ts';
import type { Platform } from '../platform/platform.ts';
import { VERSION } from '../platform/version.ts';
import { pluginsRoutes } from '../plugins/index.ts';
import { secretsRoutes } from '../secrets/index.ts';
import { tasksRoutes, type AgentTasks } from '../tasks/index.ts';
import type { ServerCertificate } from '../trust/index.ts';
import { createApp } from './create-app.ts';
import { problemResponses } from './problem-responses.ts';
import { sessionOf } from './request-operation.ts';

export type OperatorAppDeps = {
  platform: Platform;
  tasks: AgentTasks;
  certificate: ServerCertificate;
  info: { caFingerprint: string; agentUrl: () => string };
};

const NO_SUCH_ROUTE =
  'There is no such route: see /api/openapi.json. Agents use the agent API, the other address that the server printed at its start.';

/** The operator API: `/api/v1`, its OpenAPI document and the page that shows it. */
export async function createOperatorApp({
  platform,
  tasks,
  certificate,
  info,
}: OperatorAppDeps): Promise<FastifyInstance> {
  const app = createApp(platform, {
    name: 'operator-api',
    noSuchRoute: NO_SUCH_ROUTE,
    certificate,
    requestTimeoutMs: 30_000,
  });
  // Here only: no browser comes to the agent API, whose replies go out by the thousand.
  await app.register(helmet, {
    global: true,
    contentSecurityPolicy: { directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sallyport operator API',
        version: VERSION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { session: { type: 'http', scheme: 'bearer' } } },
      security: [{ session: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    transformStaticCSP: (header) => header,
  });
  const sessions = new SessionAuthenticator(platform);
  await app.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        if (request.routeOptions.config.permission === 'public' || request.is404) return;
        request.operatorSession = await sessions.authenticate(
          request.headers.authorization,
          request.id,
          request.ip,
        );
      });
      await api.register(sessionsRoutes(platform));
      await api.register(selfRoutes());
      await api.register(groupsRoutes(platform));
      await api.register(enrollmentTokensRoutes(platform));
      await api.register(agentsRoutes(platform));
      await api.register(secretsRoutes(platform));
      await api.register(pluginsRoutes(platform));
      await api.register(tasksRoutes(platform, tasks));
      await api.register(systemRoutes(info));
    },
    { prefix: '/api/v1' },
  );
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  return app;
}

function systemRoutes(info: OperatorAppDeps['info']): FastifyPluginAsyncZod {
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
        sessionOf(request).authorize('system:read');
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
