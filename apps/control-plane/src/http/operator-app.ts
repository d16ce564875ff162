import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import { agentsRoutes, enrollmentTokensRoutes } from '../agents/index.ts';
import { apiKeysRoutes, type ApiKeyPolicy } from '../api-keys/index.ts';
import { certificatesRoutes } from '../certificates/index.ts';
import { groupsRoutes } from '../groups/index.ts';
import type { UnreadableReports } from '../keyrings/index.ts';
import { operatorsRoutes, selfRoutes, sessionsRoutes } from '../operators/index.ts';
import type { Platform } from '../platform/platform.ts';
import { pluginTypesRoutes } from '../plugin-types/index.ts';
import { findBreaks, pluginsRoutes } from '../plugins/index.ts';
import { roleBindingsRoutes } from '../role-bindings/index.ts';
import { secretsRoutes } from '../secrets/index.ts';
import { systemRoutes, type SystemFacts } from '../system/index.ts';
import { tasksRoutes, type AgentTasks } from '../tasks/index.ts';
import type { ServerCertificate } from '../trust/index.ts';
import { auditRefusals } from './audit-refusals.ts';
import { CallerAuthenticator } from './authenticate-caller.ts';
import { createApp } from './create-app.ts';
import { describeApi } from './openapi-document.ts';

export type OperatorAppDeps = {
  platform: Platform;
  tasks: AgentTasks;
  certificate: ServerCertificate;
  unreadable: UnreadableReports;
  apiKeyPolicy: ApiKeyPolicy;
  info: SystemFacts;
};

const NO_SUCH_ROUTE =
  'There is no such route: see /api/openapi.json. Agents use the agent API, the other address that the server printed at its start.';

/** The operator API: `/api/v1`, its OpenAPI document and the page that shows it. */
export async function createOperatorApp({
  platform,
  tasks,
  certificate,
  unreadable,
  apiKeyPolicy,
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
  await describeApi(app);
  const callers = new CallerAuthenticator(platform);
  await app.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        if (request.routeOptions.config.permission === 'public' || request.is404) return;
        request.operation = await callers.authenticate(
          request.headers.authorization,
          request.id,
          request.ip,
        );
      });
      auditRefusals(api, platform, unreadable);
      await api.register(sessionsRoutes(platform));
      await api.register(selfRoutes(platform));
      await api.register(operatorsRoutes(platform));
      await api.register(roleBindingsRoutes(platform));
      await api.register(apiKeysRoutes(platform, apiKeyPolicy));
      await api.register(groupsRoutes(platform));
      await api.register(enrollmentTokensRoutes(platform));
      await api.register(agentsRoutes(platform));
      await api.register(secretsRoutes(platform));
      await api.register(
        pluginTypesRoutes(platform, (op, type, next) => findBreaks(platform, op, type, next)),
      );
      await api.register(pluginsRoutes(platform));
      await api.register(certificatesRoutes(platform));
      await api.register(tasksRoutes(platform, tasks));
      await api.register(systemRoutes(info));
    },
    { prefix: '/api/v1' },
  );
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  return app;
}
