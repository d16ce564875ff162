import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  agentsRoutes,
  agentTokensRoutes,
  bansRoutes,
  enrollmentTokensRoutes,
} from '../agents/index.ts';
import { apiKeysRoutes, type ApiKeyPolicy } from '../api-keys/index.ts';
import { auditRoutes, type AuditKeys } from '../audit/index.ts';
import { FRESH_MS, holdsAll, isPermission, type Operation } from '../authorization/index.ts';
import { certificateAuthoritiesRoutes } from '../certificate-authorities/index.ts';
import { certificatesRoutes } from '../certificates/index.ts';
import { exportRoutes } from '../delivery/index.ts';
import { groupsRoutes } from '../groups/index.ts';
import { keepReplies } from '../idempotency/index.ts';
import type { UnreadableReports } from '../keyrings/index.ts';
import { leasesRoutes } from '../leases/index.ts';
import { linksRoutes } from '../links/index.ts';
import {
  operatorsRoutes,
  selfRoutes,
  sessionsRoutes,
  type SessionPolicy,
  type SignInLimits,
} from '../operators/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { pluginTypesRoutes } from '../plugin-types/index.ts';
import { findBreaks, pluginsRoutes } from '../plugins/index.ts';
import { roleBindingsRoutes } from '../role-bindings/index.ts';
import { secretsRoutes } from '../secrets/index.ts';
import { systemRoutes, type SystemFacts } from '../system/index.ts';
import { tasksRoutes, type AgentTasks } from '../tasks/index.ts';
import type { Trust } from '../trust/index.ts';
import { addRoutes } from './add-routes.ts';
import { auditRefusals } from './audit-refusals.ts';
import { CallerAuthenticator } from './authenticate-caller.ts';
import { createApp, type ListenerLimits } from './create-app.ts';
import { MERGE_PATCH, parseJsonBodies } from './json-body.ts';
import { describeApi } from './openapi-document.ts';
import { refuseUnheeded, tellUnmodified } from './preconditions.ts';
import type { RequestLimits } from './request-limits.ts';
import { principalOf } from './request-operation.ts';
import { refuseUnguardedRoutes } from './route-permissions.ts';
import { setSecurityHeaders } from './security-headers.ts';

export type OperatorAppDeps = {
  platform: Platform;
  tasks: AgentTasks;
  unreadable: UnreadableReports;
  listener: ListenerLimits;
  limits: RequestLimits;
  sessions: SessionPolicy;
  signInLimits: SignInLimits;
  apiKeyPolicy: ApiKeyPolicy;
  auditKeys: AuditKeys;
  trust: Trust;
  info: SystemFacts;
};

const NO_SUCH_ROUTE =
  'There is no such route: see /api/openapi.json. Agents use the agent API, the other address that the server printed at its start.';

/** The operator API: `/api/v1`, its OpenAPI document and the page that shows it. */
export async function createOperatorApp(deps: OperatorAppDeps): Promise<FastifyInstance> {
  const { platform, listener, limits, sessions } = deps;
  const app = createApp(platform, {
    name: 'operator-api',
    challenge: 'Bearer realm="sallyport"',
    noSuchRoute: NO_SUCH_ROUTE,
    ...listener,
    requestTimeoutMs: 30_000,
    silenceTimeoutMs: 60_000,
  });
  await setSecurityHeaders(app);
  app.addHook('onRequest', async (request) => {
    if (isForStrangers(request)) limits.countStranger(request);
  });
  await describeApi(app);
  app.addHook('onRoute', refuseUnguardedRoutes(isPermission));
  app.decorateRequest('shownAtMs', 0);
  await app.register(
    async (api) => {
      authenticateCallers(api, platform, deps);
      keepReplies(api, platform);
      auditRefusals(api, platform, deps.unreadable);
      tellUnmodified(api);
      parseJsonBodies(api, MERGE_PATCH);
      await addRoutes(api, [
        sessionsRoutes(platform, sessions, deps.signInLimits),
        selfRoutes(platform),
        operatorsRoutes(platform),
        roleBindingsRoutes(platform),
        apiKeysRoutes(platform, deps.apiKeyPolicy),
        groupsRoutes(platform),
        enrollmentTokensRoutes(platform),
        agentsRoutes(platform),
        exportRoutes(deps),
        agentTokensRoutes(platform),
        linksRoutes(platform),
        bansRoutes(platform),
        secretsRoutes(platform),
        leasesRoutes(platform),
        pluginTypesRoutes(platform, (op, type, next) => findBreaks(platform, op, type, next)),
        pluginsRoutes(platform),
        certificatesRoutes(platform),
        certificateAuthoritiesRoutes(platform, deps.trust),
        tasksRoutes(platform, deps.tasks),
        auditRoutes(platform, deps.auditKeys),
        systemRoutes(deps.info),
      ]);
    },
    { prefix: '/api/v1' },
  );
  return app;
}

function authenticateCallers(
  api: FastifyInstance,
  platform: Platform,
  { limits, sessions }: Pick<OperatorAppDeps, 'limits' | 'sessions'>,
): void {
  const { clock } = platform;
  const callers = new CallerAuthenticator(platform, sessions);
  const isFresh = ({ shownAtMs }: FastifyRequest) => Math.abs(clock.now() - shownAtMs) <= FRESH_MS;
  // It may have waited for a hash, a group or the database since.
  const lookAgain = async (request: FastifyRequest, operation: Operation) => {
    if (!isFresh(request)) refuseLostRoles(request, operation, await callers.authenticate(request));
  };
  const begin = (request: FastifyRequest, operation: Operation) => {
    const renew = () => callers.authenticate(request);
    const onAct = async () => lookAgain(request, operation);
    return Object.assign(operation, { renew, onAct });
  };
  api.addHook('onRequest', async (request) => {
    if (isForStrangers(request)) return;
    limits.refuseNoisyStranger(request);
    request.shownAtMs = clock.now();
    const operation = await limits.countRefusal(request, () => callers.authenticate(request));
    const { kind, id } = principalOf(operation);
    limits.countPrincipal(kind, id);
    request.operation = begin(request, operation);
    refuseUnheeded(request);
  });
  // A body may take half a minute: by then a credential that was shown before it may have ended, or lost a role.
  api.addHook('preHandler', async (request) => {
    if (request.operation === null || isFresh(request)) return;
    request.shownAtMs = clock.now();
    request.operation = begin(request, await callers.authenticate(request));
  });
  // What changes nothing is not looked at by `onAct`, and may have waited just as long.
  api.addHook('preSerialization', async (request, reply, payload) => {
    const { operation, method } = request;
    if (method === 'GET' && operation !== null && reply.statusCode < 300)
      await lookAgain(request, operation);
    return payload;
  });
}

/** Which role allowed the act is not known here, so the loss of any counts. @throws AppError `permission.denied` */
function refuseLostRoles({ routeOptions }: FastifyRequest, then: Operation, now: Operation): void {
  if (holdsAll(principalOf(now).grants, principalOf(then).grants)) return;
  throw new AppError(
    'permission.denied',
    'You have lost a role while this was waited for; nothing is done or shown.',
  ).deniedAs({ permission: routeOptions.config.permission ?? 'unknown' });
}

/** Whether the route asks for no credential, or does not exist. */
function isForStrangers({ routeOptions, is404 }: FastifyRequest): boolean {
  const { permission } = routeOptions.config;
  return is404 || permission === undefined || permission === 'public';
}
