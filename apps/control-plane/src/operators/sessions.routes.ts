import { self, session, signInBody } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf, principalOf, sessionOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { heldRolesOf, shownRole } from '../role-bindings/index.ts';
import { signOut } from './sessions.ts';
import { signIn } from './sign-in.ts';

/** `/api/v1/sessions`. */
export function sessionsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/sessions',
      {
        config: { permission: 'public' },
        schema: {
          tags: ['sessions'],
          summary: 'Sign in',
          body: signInBody,
          response: { 201: session, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { name, password } = request.body;
        const created = await signIn(platform, operationOf(request), name, password);
        const { token, expiresAt, operator, roles } = created;
        return reply.code(201).send({
          token,
          expiresAt: expiresAt.toISOString(),
          operator: {
            kind: 'operator' as const,
            id: operator.id,
            name: operator.name,
            roles: roles.map(shownRole),
          },
        });
      },
    );

    app.delete(
      '/sessions/current',
      {
        config: { permission: 'session:delete' },
        schema: {
          tags: ['sessions'],
          summary: 'Sign out',
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await signOut(platform, sessionOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

/** `/api/v1/me`. */
export function selfRoutes({ db }: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/me',
      {
        config: { permission: 'principal:read-self' },
        schema: {
          tags: ['sessions'],
          summary: 'Who calls, and what it may do',
          response: { 200: self, ...problemResponses },
        },
      },
      async (request) => {
        const op = operationOf(request);
        op.authorize('principal:read-self');
        const { kind, id, name, expiresAt } = principalOf(op);
        const holder = kind === 'operator' ? { operatorId: id } : { apiKeyId: id };
        const roles = await db.read((reader) => heldRolesOf(reader, holder));
        return { kind, id, name, roles: roles.map(shownRole), expiresAt: expiresAt.toISOString() };
      },
    );
  };
}
