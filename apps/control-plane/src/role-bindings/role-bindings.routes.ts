import { createRoleBindingBody, page, pageQuery, roleBinding, uuid } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import {
  createRoleBinding,
  listVisibleRoleBindings,
  removeRoleBinding,
} from './role-bindings.service.ts';

const tags = ['role bindings'];

/** `/api/v1/role-bindings`. */
export function roleBindingsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/role-bindings',
      {
        config: { permission: 'role-binding:create' },
        schema: {
          tags,
          summary: 'Give an operator a role, everywhere or in a group',
          body: createRoleBindingBody,
          response: { 201: roleBinding, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createRoleBinding(platform, operationOf(request), request.body)),
    );

    app.get(
      '/role-bindings',
      {
        config: { permission: 'role-binding:read' },
        schema: {
          tags,
          summary: 'List role bindings',
          querystring: pageQuery(uuid),
          response: { 200: page(roleBinding), ...problemResponses },
        },
      },
      async (request) => listVisibleRoleBindings(platform, operationOf(request), request.query),
    );

    app.delete(
      '/role-bindings/:binding',
      {
        config: { permission: 'role-binding:delete' },
        schema: {
          tags,
          summary: 'Take a role away',
          params: z.object({ binding: uuid }),
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await removeRoleBinding(platform, operationOf(request), request.params.binding);
        return reply.code(204).send(null);
      },
    );
  };
}
