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
          operationId: 'signIn',
          summary: 'Sign in',
          description:
            'A session lasts 12 hours and ends when it was not used for an hour, unless the installation says otherwise. Its token is shown this once. `credentials.wrong` (401) does not tell whether there is such a name; `totp.required` (401) comes once the password was right, and asks for the same again with a code (`totp.wrong`, 401). After five failures in a row a name is locked for 15 minutes, also to who knows the password (`operator.locked`, 429); an address or a name that fails too often is `rate.limited` (429).',
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
          operationId: 'listSessions',
          summary: 'List one’s own sessions',
          description: 'Those that are open, the newest first. Needs a session.',
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
        schema: {
          tags,
          operationId: 'signOut',
          summary: 'Sign out',
          description:
            'Ends the session that asks, at every replica with the next request, and clears the cookie if it had one. Needs a session.',
          response: { 204: z.null(), ...problemResponses },
        },
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
          operationId: 'endSession',
          summary: 'End one of one’s own sessions',
          description:
            'Its token is refused at every replica with the next request. `session.not_found` (404) for one that is not the caller’s. Needs a session.',
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
          operationId: 'signOutEverywhere',
          summary: 'Sign out everywhere',
          description:
            'Ends every session of the caller, the one that asks too. API keys go on. Needs a session.',
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
