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
          operationId: 'createApiKey',
          summary: 'Create an API key',
          description:
            'The key is shown this once, and is good at once. Nobody gives a role that brings more than they hold (`permission.denied`, 403). Two weeks before it ends the audit says so (`api-key:expiring`).',
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
          operationId: 'listApiKeys',
          summary: 'List API keys',
          description:
            'The oldest first, those that have ended too. One that holds a role where the caller may not see keys is left out.',
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
          operationId: 'getApiKey',
          summary: 'Show an API key',
          description:
            '`api_key.not_found` (404) also for one that holds a role in a group that the caller may not see.',
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
          operationId: 'rotateApiKey',
          summary: 'Make a key that takes the place of this one, which goes on for the overlap',
          description:
            'The new key has the name and the roles of the old one, and is shown this once. The caller must hold those roles too (`permission.denied`, 403). `api_key.not_found` (404) also for a key that has ended: create a new one.',
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
          operationId: 'revokeApiKey',
          summary: 'End an API key now',
          description:
            'It is refused at every replica with the next request (`api_key.revoked`). Only who could give its roles may do this (`permission.denied`, 403). To revoke twice is the same as once.',
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
