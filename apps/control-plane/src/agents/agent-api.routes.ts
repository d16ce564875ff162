import {
  caCertificatesReply,
  certificateBody,
  certificateReply,
  enrollBody,
  enrollReply,
  renewSessionBody,
  sessionBody,
  sessionReply,
} from '@sallyport/contract';
import type { AccessClaims } from '@sallyport/crypto/access-token';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { problemResponses } from '../http/problem-responses.ts';
import { agentOf, operationOf } from '../http/request-operation.ts';
import { hashingBusy } from '../platform/bounded-pool.ts';
import type { Platform } from '../platform/platform.ts';
import { TokenChecks } from '../platform/token-checks.ts';
import { Turns } from '../platform/turns.ts';
import type { Trust } from '../trust/index.ts';
import type { AgentSessions } from './agent-sessions.ts';
import { agentRequest, type AgentAuthenticator, type AgentRequest } from './authenticate-agent.ts';
import { enroll } from './enroll.ts';
import { renewCertificate } from './issue-certificate.ts';

/** Hashes for one enrollment token at a time: whoever forges it leaves room for those who hold another. */
const PER_TOKEN = { concurrency: 1, queued: 7, refusal: hashingBusy };

/** Twice what either body can take: anybody may send them, and many halves at once are held while they come. */
const ENTRY_BODY_BYTES = 16 * 1024;

/** How an agent comes in: `/agent/v1/enroll`, `session`, `certificate` and `cacerts`. */
export function agentEntryRoutes(
  platform: Platform,
  trust: Trust,
  sessions: AgentSessions,
  authenticator: AgentAuthenticator,
): FastifyPluginAsyncZod {
  const tokens = new TokenChecks(platform.clock, platform.enrollmentHashing);
  const enrollDeps = { platform, trust, tokens, turns: new Turns(PER_TOKEN) };
  return async (app) => {
    app.post(
      '/enroll',
      {
        config: { permission: 'public' },
        bodyLimit: ENTRY_BODY_BYTES,
        schema: { body: enrollBody, response: { 201: enrollReply, ...problemResponses } },
      },
      async (request, reply) => {
        const shown = () => authenticator.certificateOf(agentRequest(request));
        const op = operationOf(request);
        return reply.code(201).send(await enroll(enrollDeps, op, request.body, shown));
      },
    );

    app.post(
      '/session',
      {
        config: { permission: 'public' },
        bodyLimit: ENTRY_BODY_BYTES,
        schema: { body: sessionBody, response: { 200: sessionReply, ...problemResponses } },
      },
      async (request) => sessions.open(request.body, agentRequest(request), originOf(request)),
    );

    app.post(
      '/session/renew',
      {
        config: { permission: 'agent', inTurn: false },
        schema: { body: renewSessionBody, response: { 200: sessionReply, ...problemResponses } },
      },
      async (request) =>
        sessions.renew(agentOf(request), agentRequest(request), request.body, originOf(request)),
    );

    app.post(
      '/certificate',
      {
        config: { permission: 'agent', recovery: true },
        schema: { body: certificateBody, response: { 200: certificateReply, ...problemResponses } },
      },
      async (request) => {
        const claims = agentOf(request);
        const used = certificateUsed(claims, authenticator, agentRequest(request));
        const { body } = request;
        return renewCertificate(platform, trust, operationOf(request), { body, claims, used });
      },
    );

    app.get(
      '/cacerts',
      {
        config: { permission: 'public' },
        schema: { response: { 200: caCertificatesReply, ...problemResponses } },
      },
      async () => ({ trustAnchors: trust.trustAnchors() }),
    );
  };
}

function originOf({ id, ip }: FastifyRequest) {
  return { requestId: id, address: ip };
}

/** The thumbprint of the key in the certificate that the session was opened with; undefined without one. */
function certificateUsed(
  { cnf }: AccessClaims,
  authenticator: AgentAuthenticator,
  request: AgentRequest,
): string | undefined {
  return 'jkt' in cnf ? undefined : authenticator.certificateOf(request)?.keyThumbprint;
}
