import { operator, session, signInBody } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf, sessionOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
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
        const created = await signIn(
          platform,
          operationOf(request),
          request.body.name,
          request.body.password,
        );
        const { id, name, role } = created.operator;
        return reply.code(201).send({
          token: created.token,
          expiresAt: created.expiresAt.toISOString(),
          operator: { id, name, role },
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
export function selfRoutes(): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/me',
      {
        config: { permission: 'operator:read-self' },
        schema: {
          tags: ['sessions'],
          summary: 'The signed-in operator',
          response: { 200: operator, ...problemResponses },
        },
      },
      async (request) => {
        const op = sessionOf(request);
        op.authorize('operator:read-self');
        return op.operator;
      },
    );
  };
}
