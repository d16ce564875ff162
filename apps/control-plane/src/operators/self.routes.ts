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
          summary: 'Who calls, and what it may do',
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
          summary: 'Change one’s password and end one’s other sessions',
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
          summary: 'Make a second factor, which counts once it is confirmed',
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
          summary: 'Confirm the second factor and end one’s other sessions',
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
          summary: 'Remove one’s second factor',
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
