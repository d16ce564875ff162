import {
  changePasswordBody,
  confirmTotpBody,
  createTotpBody,
  createdTotp,
  removeTotpBody,
  self,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf, principalOf, sessionOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { heldRolesOf, shownRole } from '../role-bindings/index.ts';
import { changePassword } from './own-password.ts';
import { confirmOwnTotp, removeOwnTotp, startTotp } from './totp.service.ts';

const tags = ['me'];
const nothing = { 204: z.null(), ...problemResponses };

/** `/api/v1/me`. */
export function selfRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/me',
      {
        config: { permission: 'principal:read-self' },
        schema: {
          tags,
          operationId: 'getSelf',
          summary: 'Who calls, and what it may do',
          description: 'Any caller may ask this, whatever roles it holds.',
          response: { 200: self, ...problemResponses },
        },
      },
      async (request) => {
        const op = operationOf(request);
        op.authorize('principal:read-self');
        const { kind, id, name, expiresAt } = principalOf(op);
        const holder = kind === 'operator' ? { operatorId: id } : { apiKeyId: id };
        const roles = await platform.db.read((reader) => heldRolesOf(reader, holder));
        return { kind, id, name, roles: roles.map(shownRole), expiresAt: expiresAt.toISOString() };
      },
    );

    app.post(
      '/me/password',
      {
        config: { permission: 'principal:change-password' },
        schema: {
          tags,
          operationId: 'changePassword',
          summary: 'Change one’s password and end one’s other sessions',
          description:
            'Asks for the present password; a wrong one counts like a failed sign-in (`credentials.wrong`, 401; `operator.locked`, 429). The session that asks goes on. Needs a session.',
          body: changePasswordBody,
          response: nothing,
        },
      },
      async (request, reply) => {
        await changePassword(platform, sessionOf(request), request.body);
        return reply.code(204).send(null);
      },
    );

    app.post(
      '/me/totp',
      {
        config: { permission: 'totp:create', keepReply: false },
        schema: {
          tags,
          operationId: 'createTotp',
          summary: 'Make a second factor, which counts once it is confirmed',
          description:
            'Asks for the password, and shows the secret for an authenticator app this once. Until it is confirmed nothing changes, and another one takes its place. `totp.exists` (409) while there is one that was confirmed. Needs a session.',
          body: createTotpBody,
          response: { 201: createdTotp, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { password } = request.body;
        return reply.code(201).send(await startTotp(platform, sessionOf(request), password));
      },
    );

    app.post(
      '/me/totp/confirm',
      {
        config: { permission: 'totp:confirm' },
        schema: {
          tags,
          operationId: 'confirmTotp',
          summary: 'Confirm the second factor and end one’s other sessions',
          description:
            'From now on signing in asks for a code. The other sessions were opened without one. `totp.wrong` (401) for a code that is not of the new secret; `totp.not_found` (404) or `totp.exists` (409) when nothing waits to be confirmed. Needs a session.',
          body: confirmTotpBody,
          response: nothing,
        },
      },
      async (request, reply) => {
        await confirmOwnTotp(platform, sessionOf(request), request.body.code);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      '/me/totp',
      {
        config: { permission: 'totp:delete' },
        schema: {
          tags,
          operationId: 'deleteTotp',
          summary: 'Remove one’s second factor',
          description:
            'Asks for the password and a code; wrong ones count like a failed sign-in (`credentials.wrong`, `totp.wrong`, 401; `operator.locked`, 429). Sessions go on. `totp.not_found` (404) when there is none. Needs a session.',
          body: removeTotpBody,
          response: nothing,
        },
      },
      async (request, reply) => {
        await removeOwnTotp(platform, sessionOf(request), request.body);
        return reply.code(204).send(null);
      },
    );
  };
}
