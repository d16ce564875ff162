import {
  createOperatorBody,
  operator,
  operatorName,
  page,
  pageQuery,
  resetPasswordBody,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import {
  createOperator,
  getOperator,
  listAllOperators,
  removeOperator,
  resetPassword,
} from './operators.service.ts';
import { resetTotp } from './totp.service.ts';

const tags = ['operators'];
const params = z.object({ operator: operatorName });

/** `/api/v1/operators`. */
export function operatorsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/operators',
      {
        config: { permission: 'operator:create' },
        schema: {
          tags,
          operationId: 'createOperator',
          summary: 'Create an operator',
          description:
            'It can sign in at once. Nobody gives a role that brings more than they hold (`permission.denied`, 403). `operator.exists` (409) when the name is taken.',
          body: createOperatorBody,
          response: { 201: operator, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createOperator(platform, operationOf(request), request.body)),
    );

    app.get(
      '/operators',
      {
        config: { permission: 'operator:read' },
        schema: {
          tags,
          operationId: 'listOperators',
          summary: 'List operators',
          description: 'In the order of their names, each with its roles.',
          querystring: pageQuery(operatorName),
          response: { 200: page(operator), ...problemResponses },
        },
      },
      async (request) => listAllOperators(platform, operationOf(request), request.query),
    );

    app.get(
      '/operators/:operator',
      {
        config: { permission: 'operator:read' },
        schema: {
          tags,
          operationId: 'getOperator',
          summary: 'Show an operator',
          description: 'With its roles. `operator.not_found` (404) when nobody has this name.',
          params,
          response: { 200: operator, ...problemResponses },
        },
      },
      async (request) => getOperator(platform, operationOf(request), request.params.operator),
    );

    app.delete(
      '/operators/:operator',
      {
        config: { permission: 'operator:delete' },
        schema: {
          tags,
          operationId: 'deleteOperator',
          summary: 'Delete an operator and end its sessions',
          description:
            'What it made stays, its API keys too: revoke those that should end. Only who holds all that the operator holds may do this (`permission.denied`, 403). `operator.last_owner` (409) for the only one that is owner everywhere.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await removeOperator(platform, operationOf(request), request.params.operator);
        return reply.code(204).send(null);
      },
    );

    app.put(
      '/operators/:operator/password',
      {
        config: { permission: 'operator:reset-password' },
        schema: {
          tags,
          operationId: 'resetOperatorPassword',
          summary: 'Give an operator a new password and end its sessions',
          description:
            'Lifts the lock that failed sign-ins left, and keeps the second factor. Only who holds all that the operator holds may do this (`permission.denied`, 403), since the password gives it.',
          params,
          body: resetPasswordBody,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const { operator: name } = request.params;
        await resetPassword(platform, operationOf(request), name, request.body.password);
        return reply.code(204).send(null);
      },
    );

    app.delete(
      '/operators/:operator/totp',
      {
        config: { permission: 'operator:reset-totp' },
        schema: {
          tags,
          operationId: 'resetOperatorTotp',
          summary: 'Remove an operator’s second factor and end its sessions',
          description:
            'For who has lost the app. Only who holds all that the operator holds may do this (`permission.denied`, 403). `totp.not_found` (404) when there is none.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await resetTotp(platform, operationOf(request), request.params.operator);
        return reply.code(204).send(null);
      },
    );
  };
}
