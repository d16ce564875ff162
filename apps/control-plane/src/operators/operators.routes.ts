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
          summary: 'Create an operator',
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
          summary: 'List operators',
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
          summary: 'Show an operator',
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
          summary: 'Delete an operator and end its sessions',
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
          summary: 'Give an operator a new password and end its sessions',
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
          summary: 'Remove an operator’s second factor and end its sessions',
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
