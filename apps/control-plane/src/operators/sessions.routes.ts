import {
  cookieSession,
  listedSession,
  page,
  pageQuery,
  session,
  signInBody,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf, sessionOf } from '../http/request-operation.ts';
import { clearSessionCookie, refuseForgery, setSessionCookie } from '../http/session-cookie.ts';
import type { Platform } from '../platform/platform.ts';
import { shownRole } from '../role-bindings/index.ts';
import { endAllSessions, endSession, listOwnSessions } from './sessions.ts';
import type { SignInLimits } from './sign-in-limits.ts';
import { signIn, type NewSession, type SessionPolicy } from './sign-in.ts';

const tags = ['sessions'];

/** `/api/v1/sessions`. */
export function sessionsRoutes(
  platform: Platform,
  policy: SessionPolicy,
  limits: SignInLimits,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/sessions',
      {
        config: { permission: 'public' },
        schema: {
          tags,
          summary: 'Sign in',
          body: signInBody,
          response: { 201: z.union([session, cookieSession]), ...problemResponses },
        },
      },
      async (request, reply) => {
        const { cookie, ...credentials } = request.body;
        // Else another site could sign a browser in as somebody whose doings it can read.
        if (cookie) refuseForgery(request);
        const op = operationOf(request);
        const created = await signIn(platform, { policy, limits }, op, credentials);
        const shown = shownSession(created);
        if (!cookie) return reply.code(201).send({ token: created.token, ...shown });
        setSessionCookie(reply, created.token);
        return reply.code(201).send(shown);
      },
    );

    app.get(
      '/sessions',
      {
        config: { permission: 'session:read' },
        schema: {
          tags,
          summary: 'List one’s own sessions',
          querystring: pageQuery(uuid),
          response: { 200: page(listedSession), ...problemResponses },
        },
      },
      async (request) => {
        const op = sessionOf(request);
        const { items, ...rest } = await listOwnSessions(platform, policy, op, request.query);
        const shown = items.map((row) => ({
          id: row.id,
          address: row.address,
          createdAt: row.createdAt.toISOString(),
          lastUsedAt: row.lastUsedAt.toISOString(),
          expiresAt: row.expiresAt.toISOString(),
          current: row.id === op.sessionId,
        }));
        return { items: shown, ...rest };
      },
    );

    app.delete(
      '/sessions/current',
      {
        config: { permission: 'session:delete' },
        schema: { tags, summary: 'Sign out', response: { 204: z.null(), ...problemResponses } },
      },
      async (request, reply) => {
        const op = sessionOf(request);
        await endSession(platform, op, op.sessionId);
        clearSessionCookie(reply);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      '/sessions/:session',
      {
        config: { permission: 'session:delete' },
        schema: {
          tags,
          summary: 'End one of one’s own sessions',
          params: z.object({ session: uuid }),
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await endSession(platform, sessionOf(request), request.params.session);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      '/sessions',
      {
        config: { permission: 'session:delete' },
        schema: {
          tags,
          summary: 'Sign out everywhere',
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await endAllSessions(platform, sessionOf(request));
        clearSessionCookie(reply);
        return reply.code(204).send(null);
      },
    );
  };
}

function shownSession({ expiresAt, operator, roles }: NewSession) {
  const { id, name } = operator;
  return {
    expiresAt: expiresAt.toISOString(),
    operator: { kind: 'operator' as const, id, name, roles: roles.map(shownRole) },
  };
}
