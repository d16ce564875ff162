import { MAX_PULL_WAIT_SECONDS } from '@sallyport/contract';
import type { FastifyInstance } from 'fastify';
import { agentEventsRoutes } from '../agent-events/index.ts';
import {
  agentEntryRoutes,
  agentRequest,
  AgentSessions,
  checkProtocolFirst,
  clientCertificateRequired,
  type AgentAuthenticator,
} from '../agents/index.ts';
import { checkCurrent, deliveryRoutes, type PullDeps } from '../delivery/index.ts';
import type { UnreadableReports } from '../keyrings/index.ts';
import { heldLeasesRoutes } from '../leases/index.ts';
import type { DialledSockets } from '../links/index.ts';
import { lendingRoutes } from '../secrets/index.ts';
import { heldTasksRoutes } from '../tasks/index.ts';
import type { Trust } from '../trust/index.ts';
import { addRoutes } from './add-routes.ts';
import { answerInTurn } from './agent-turns.ts';
import { auditRefusals } from './audit-refusals.ts';
import { createApp, type ListenerLimits } from './create-app.ts';
import type { RequestLimits } from './request-limits.ts';
import { refuseUnguardedRoutes } from './route-permissions.ts';

export type AgentAppDeps = {
  pullDeps: PullDeps;
  trust: Trust;
  unreadable: UnreadableReports;
  authenticator: AgentAuthenticator;
  listener: ListenerLimits;
  limits: RequestLimits;
  dialled: DialledSockets;
};

/** The agent API: `/agent/v1`. */
export async function createAgentApp({
  pullDeps,
  trust,
  unreadable,
  authenticator,
  listener,
  limits,
  dialled,
}: AgentAppDeps): Promise<FastifyInstance> {
  const { platform, tasks } = pullDeps;
  const sessions = new AgentSessions(platform, trust, authenticator);
  const app = createApp(platform, {
    name: 'agent-api',
    challenge: 'DPoP algs="EdDSA", Bearer realm="sallyport"',
    noSuchRoute:
      'There is no such route: this is the agent API. Operators use the other address that the server printed at its start.',
    ...listener,
    requestTimeoutMs: (MAX_PULL_WAIT_SECONDS + 15) * 1000,
    silenceTimeoutMs: (MAX_PULL_WAIT_SECONDS + 35) * 1000,
  });
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.permission !== 'agent') limits.countStranger(request);
  });
  app.addHook(
    'onRoute',
    refuseUnguardedRoutes((permission) => permission === 'agent'),
  );
  await app.register(
    async (api) => {
      api.addHook('onRequest', async (request, reply) => {
        if (request.routeOptions.config.permission !== 'agent') return;
        const claims = await limits.countRefusal(request, () =>
          authenticator.authenticate(agentRequest(request)),
        );
        if (claims.method === 'recovery' && request.routeOptions.config.recovery !== true)
          throw clientCertificateRequired();
        limits.countUnderWay(claims.agentId, reply.raw);
        request.agentClaims = claims;
        dialled.noteAgent(request.raw.socket, claims);
      });
      api.addHook('onRoute', answerInTurn());
      auditRefusals(api, platform, unreadable);
      api.addHook('preValidation', checkProtocolFirst);
      // Checked last, after a body that took its time: a replica that hears nothing cannot know who was revoked.
      api.addHook('preHandler', async (request) => {
        if (request.routeOptions.config.permission === 'agent') checkCurrent(pullDeps);
      });
      await addRoutes(api, [
        agentEntryRoutes(platform, trust, sessions, authenticator),
        deliveryRoutes(pullDeps),
        heldTasksRoutes(platform, tasks),
        lendingRoutes(platform, limits),
        heldLeasesRoutes(platform, limits),
        agentEventsRoutes(platform, limits),
      ]);
    },
    { prefix: '/agent/v1' },
  );
  return app;
}
