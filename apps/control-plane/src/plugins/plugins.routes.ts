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
          summary: 'Create or replace a plugin',
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
          summary: 'Change parts of a plugin, as a JSON Merge Patch',
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
          summary: 'List plugins',
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
        config: { permission: 'plugin:read' },
        schema: {
          tags,
          summary: 'Show a plugin',
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
          summary: 'Delete a plugin',
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
