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
          operationId: 'createRoleBinding',
          summary: 'Give an operator a role, everywhere or in a group',
          description:
            'It counts from the operator’s next request. Nobody gives a role that brings more than they hold (`permission.denied`, 403). `role_binding.exists` (409) when the operator has it there already.',
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
          operationId: 'listRoleBindings',
          summary: 'List role bindings',
          description:
            'Those of operators, the oldest first: all of them, or those in the groups where the caller may see them. What API keys hold is shown with the keys.',
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
          operationId: 'deleteRoleBinding',
          summary: 'Take a role away',
          description:
            'It is gone with the operator’s next request; what is under way and waits is refused too. Only who could give the role may take it (`permission.denied`, 403). `operator.last_owner` (409) for the last role of an owner everywhere.',
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
