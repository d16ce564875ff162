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
          summary: 'Create a plugin type',
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
          summary: 'List plugin types, without schemas',
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
          summary: 'Show a plugin type',
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
          summary: 'List the versions of a plugin type',
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
          summary: 'Give a plugin type its next version',
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
          summary: 'Tell which plugins a next version would break',
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
          summary: 'Delete a plugin type that no plugin has',
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
