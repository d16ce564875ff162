import {
  apiKey,
  createApiKeyBody,
  createdApiKey,
  page,
  pageQuery,
  rotateApiKeyBody,
  uuid,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import {
  createApiKey,
  getApiKey,
  listVisibleApiKeys,
  revokeApiKey,
  rotateApiKey,
  type ApiKeyPolicy,
} from './api-keys.service.ts';

const tags = ['API keys'];
const params = z.object({ key: uuid });

/** `/api/v1/api-keys`. */
export function apiKeysRoutes(platform: Platform, policy: ApiKeyPolicy): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/api-keys',
      {
        config: { permission: 'api-key:create' },
        schema: {
          tags,
          summary: 'Create an API key',
          body: createApiKeyBody,
          response: { 201: createdApiKey, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply
          .code(201)
          .send(await createApiKey(platform, policy, operationOf(request), request.body)),
    );

    app.get(
      '/api-keys',
      {
        config: { permission: 'api-key:read' },
        schema: {
          tags,
          summary: 'List API keys',
          querystring: pageQuery(uuid),
          response: { 200: page(apiKey), ...problemResponses },
        },
      },
      async (request) => listVisibleApiKeys(platform, operationOf(request), request.query),
    );

    app.get(
      '/api-keys/:key',
      {
        config: { permission: 'api-key:read' },
        schema: {
          tags,
          summary: 'Show an API key',
          params,
          response: { 200: apiKey, ...problemResponses },
        },
      },
      async (request) => getApiKey(platform, operationOf(request), request.params.key),
    );

    app.post(
      '/api-keys/:key/rotate',
      {
        config: { permission: 'api-key:rotate' },
        schema: {
          tags,
          summary: 'Make a key that takes the place of this one, which goes on for the overlap',
          params,
          body: rotateApiKeyBody,
          response: { 201: createdApiKey, ...problemResponses },
        },
      },
      async (request, reply) => {
        const {
          params: { key },
          body,
        } = request;
        const op = operationOf(request);
        return reply.code(201).send(await rotateApiKey(platform, policy, op, key, body));
      },
    );

    app.post(
      '/api-keys/:key/revoke',
      {
        config: { permission: 'api-key:revoke' },
        schema: {
          tags,
          summary: 'End an API key now',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await revokeApiKey(platform, operationOf(request), request.params.key);
        return reply.code(204).send(null);
      },
    );
  };
}
