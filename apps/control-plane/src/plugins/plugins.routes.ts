import {
  groupName,
  page,
  pageQuery,
  patchPluginBody,
  plugin,
  putPluginBody,
  resourceName,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { MERGE_PATCH } from '../http/json-body.ts';
import { Precondition, tagged } from '../http/preconditions.ts';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { getPlugin, listGroupPlugins, removePlugin } from './plugins.service.ts';
import { patchPlugin, putPlugin } from './write-plugin.ts';

const tags = ['plugins'];
const groupParams = z.object({ group: groupName });
const params = z.object({ group: groupName, plugin: resourceName });
const path = '/groups/:group/plugins/:plugin';

/** `/api/v1/groups/:group/plugins`. */
export function pluginsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.put(
      path,
      {
        config: { permission: 'plugin:write', conditional: true },
        schema: {
          tags,
          operationId: 'putPlugin',
          summary: 'Create or replace a plugin',
          description:
            'It is held against the newest version of its type, its encrypted fields are sealed one by one and never shown, and agents are given it at once. To replace one, send `If-Match` with what was read, or `*` (`precondition.required`, 428). `request.invalid` (400) names paths and keywords, and of an encrypted field nothing inside of it; `plugin_type.not_found` (404); `group.too_large` (413) when the group would hold more than 8 MiB.',
          params,
          body: putPluginBody,
          response: { 200: plugin, 201: plugin, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params: at, body } = request;
        const condition = new Precondition(request);
        const put = await putPlugin(platform, operationOf(request), at, body, condition);
        return tagged(reply, put.plugin)
          .code(put.created ? 201 : 200)
          .send(put.plugin);
      },
    );

    app.patch(
      path,
      {
        config: { permission: 'plugin:write', conditional: true },
        schema: {
          tags,
          operationId: 'updatePlugin',
          summary: 'Change parts of a plugin, as a JSON Merge Patch',
          description:
            'What is named changes, null takes away, and the rest stays, encrypted fields byte for byte. It takes the plugin to the newest version of its type, which it must fit (`request.invalid`, 400): `{}` does that alone. `plugin_type.not_found` (404) and `group.too_large` (413) as for `putPlugin`.',
          consumes: [MERGE_PATCH, 'application/json'],
          params,
          body: patchPluginBody,
          response: { 200: plugin, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params: at, body } = request;
        const condition = new Precondition(request);
        const patched = await patchPlugin(platform, operationOf(request), at, body, condition);
        return tagged(reply, patched).send(patched);
      },
    );

    app.get(
      '/groups/:group/plugins',
      {
        config: { permission: 'plugin:read' },
        schema: {
          tags,
          operationId: 'listPlugins',
          summary: 'List plugins',
          description:
            'In the order of their names, with encrypted fields as `{"$encrypted": true}`.',
          params: groupParams,
          querystring: pageQuery(resourceName),
          response: { 200: page(plugin), ...problemResponses },
        },
      },
      async (request) =>
        listGroupPlugins(platform, operationOf(request), request.params.group, request.query),
    );

    app.get(
      path,
      {
        config: { permission: 'plugin:read', conditional: true },
        schema: {
          tags,
          operationId: 'getPlugin',
          summary: 'Show a plugin',
          description:
            'With encrypted fields as `{"$encrypted": true}`, which may be sent back like that to keep what is there.',
          params,
          response: { 200: plugin, ...problemResponses },
        },
      },
      async (request, reply) => {
        const found = await getPlugin(platform, operationOf(request), request.params);
        return tagged(reply, found).send(found);
      },
    );

    app.delete(
      path,
      {
        config: { permission: 'plugin:delete', conditional: true },
        schema: {
          tags,
          operationId: 'deletePlugin',
          summary: 'Delete a plugin',
          description: 'Agents drop it with the group’s next revision, at once.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const condition = new Precondition(request);
        await removePlugin(platform, operationOf(request), request.params, condition);
        return reply.code(204).send(null);
      },
    );
  };
}
