import {
  changedPluginType,
  checkPluginTypeBody,
  createPluginTypeBody,
  page,
  pageQuery,
  pluginBreaks,
  pluginType,
  pluginTypeName,
  pluginTypeQuery,
  pluginTypeSummary,
  pluginTypeVersion,
  putPluginTypeBody,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { getType, listAllTypes, listVersionsOfType, removeType } from './plugin-types.service.ts';
import { checkType, createType, putType, type FindBreaks } from './put-type.ts';

const tags = ['plugin types'];
const params = z.object({ type: pluginTypeName });
const path = '/plugin-types/:type';
const versionCursor = z.string().regex(/^[1-9]\d{0,8}$/, 'use the number of a version');

/** `/api/v1/plugin-types`. */
export function pluginTypesRoutes(
  platform: Platform,
  findBreaks: FindBreaks,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/plugin-types',
      {
        config: { permission: 'plugin-type:write' },
        schema: {
          tags,
          operationId: 'createPluginType',
          summary: 'Create a plugin type',
          description:
            '`request.invalid` (400) names what is wrong with it: a schema that is none, a field whose name looks like that of a secret and which is in neither list, a path that leads to nothing (`docs/plugins.md`). `plugin_type.exists` (409) when the name is taken: `putPluginType` gives it another version.',
          body: createPluginTypeBody,
          response: { 201: pluginType, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createType(platform, operationOf(request), request.body)),
    );

    app.get(
      '/plugin-types',
      {
        config: { permission: 'plugin-type:read' },
        schema: {
          tags,
          operationId: 'listPluginTypes',
          summary: 'List plugin types, without schemas',
          description:
            'In the order of their names, each in its newest version. Types belong to no group: whoever may read them in one, reads all.',
          querystring: pageQuery(pluginTypeName),
          response: { 200: page(pluginTypeSummary), ...problemResponses },
        },
      },
      async (request) => listAllTypes(platform, operationOf(request), request.query),
    );

    app.get(
      path,
      {
        config: { permission: 'plugin-type:read' },
        schema: {
          tags,
          operationId: 'getPluginType',
          summary: 'Show a plugin type',
          description: '`plugin_type.not_found` (404) also for a version that it does not have.',
          params,
          querystring: pluginTypeQuery,
          response: { 200: pluginType, ...problemResponses },
        },
      },
      async (request) =>
        getType(platform, operationOf(request), request.params.type, request.query.version),
    );

    app.get(
      `${path}/versions`,
      {
        config: { permission: 'plugin-type:read' },
        schema: {
          tags,
          operationId: 'listPluginTypeVersions',
          summary: 'List the versions of a plugin type',
          description: 'The newest first, without schemas.',
          params,
          querystring: pageQuery(versionCursor),
          response: { 200: page(pluginTypeVersion), ...problemResponses },
        },
      },
      async (request) =>
        listVersionsOfType(platform, operationOf(request), request.params.type, request.query),
    );

    app.put(
      path,
      {
        config: { permission: 'plugin-type:write' },
        schema: {
          tags,
          operationId: 'putPluginType',
          summary: 'Give a plugin type its next version',
          description:
            'A version never changes: plugins stay with the one that they were written under until they are written again. `plugin_type.breaks_plugins` (409) tells in `issues` which do not fit this one; with `force` it is made all the same, and the reply tells. `plugin_type.built_in` (409) for `generic`. Whether it is made or refused is audited, since either tells something of values.',
          params,
          body: putPluginTypeBody,
          response: { 200: changedPluginType, ...problemResponses },
        },
      },
      async (request) =>
        putType(platform, operationOf(request), request.params.type, request.body, findBreaks),
    );

    app.post(
      `${path}/check`,
      {
        config: { permission: 'plugin-type:write' },
        schema: {
          tags,
          operationId: 'checkPluginType',
          summary: 'Tell which plugins a next version would break',
          description:
            'Nothing changes. Each check is audited, since many of them would tell something of values.',
          params,
          body: checkPluginTypeBody,
          response: { 200: pluginBreaks, ...problemResponses },
        },
      },
      async (request) =>
        checkType(platform, operationOf(request), request.params.type, request.body, findBreaks),
    );

    app.delete(
      path,
      {
        config: { permission: 'plugin-type:write' },
        schema: {
          tags,
          operationId: 'deletePluginType',
          summary: 'Delete a plugin type that no plugin has',
          description:
            'All its versions go. `plugin_type.in_use` (409) with how many plugins have it; `plugin_type.built_in` (409) for `generic`.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await removeType(platform, operationOf(request), request.params.type);
        return reply.code(204).send(null);
      },
    );
  };
}
