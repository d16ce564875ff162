import {
  createGroupBody,
  group,
  groupName,
  keyring,
  page,
  pageQuery,
  patchGroupBody,
  type Group,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { tagged, type Versioned } from '../http/preconditions.ts';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { deleteGroup } from './delete-group.ts';
import {
  createGroup,
  getGroup,
  getGroupKeyring,
  listVisibleGroups,
  rotateGroupKeyring,
  updateGroup,
} from './groups.service.ts';

const tags = ['groups'];
const params = z.object({ group: groupName });

/** Its settings change without a revision. */
function stateOf({ id, revision, clones, agentMethods }: Group): Versioned {
  return { id, version: [revision, clones, ...agentMethods].join('.') };
}

/** `/api/v1/groups`. */
export function groupsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/groups',
      {
        config: { permission: 'group:create' },
        schema: {
          tags,
          summary: 'Create a group',
          body: createGroupBody,
          response: { 201: group, ...problemResponses },
        },
      },
      async (request, reply) => {
        const created = await createGroup(platform, operationOf(request), request.body.name);
        return tagged(reply, stateOf(created)).code(201).send(created);
      },
    );

    app.get(
      '/groups',
      {
        config: { permission: 'group:read' },
        schema: {
          tags,
          summary: 'List groups',
          querystring: pageQuery(groupName),
          response: { 200: page(group), ...problemResponses },
        },
      },
      async (request) => listVisibleGroups(platform, operationOf(request), request.query),
    );

    app.get(
      '/groups/:group',
      {
        config: { permission: 'group:read' },
        schema: {
          tags,
          summary: 'Show a group',
          params,
          response: { 200: group, ...problemResponses },
        },
      },
      async (request, reply) => {
        const found = await getGroup(platform, operationOf(request), request.params.group);
        return tagged(reply, stateOf(found)).send(found);
      },
    );

    app.patch(
      '/groups/:group',
      {
        config: { permission: 'group:update' },
        schema: {
          tags,
          summary: 'Change what a group’s agents may do',
          params,
          body: patchGroupBody,
          response: { 200: group, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params, body } = request;
        const updated = await updateGroup(platform, operationOf(request), params.group, body);
        return tagged(reply, stateOf(updated)).send(updated);
      },
    );

    app.delete(
      '/groups/:group',
      {
        config: { permission: 'group:delete' },
        schema: {
          tags,
          summary: 'Delete a group that holds nothing any more',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await deleteGroup(platform, operationOf(request), request.params.group);
        return reply.code(204).send(null);
      },
    );

    app.get(
      '/groups/:group/keyring',
      {
        config: { permission: 'keyring:read' },
        schema: {
          tags,
          summary: 'Show a group’s key versions, and how far sealing anew has come',
          params,
          response: { 200: keyring, ...problemResponses },
        },
      },
      async (request) => getGroupKeyring(platform, operationOf(request), request.params.group),
    );

    app.post(
      '/groups/:group/keyring/rotate',
      {
        config: { permission: 'keyring:rotate' },
        schema: {
          tags,
          summary: 'Give a group a new key',
          params,
          response: { 200: keyring, ...problemResponses },
        },
      },
      async (request) => rotateGroupKeyring(platform, operationOf(request), request.params.group),
    );
  };
}
