import {
  createGroupBody,
  group,
  groupName,
  keyring,
  page,
  pageQuery,
  patchGroupBody,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Precondition, tagged } from '../http/preconditions.ts';
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
  stateOf,
  updateGroup,
} from './groups.service.ts';

const tags = ['groups'];
const params = z.object({ group: groupName });

/** `/api/v1/groups`. */
export function groupsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/groups',
      {
        config: { permission: 'group:create' },
        schema: {
          tags,
          operationId: 'createGroup',
          summary: 'Create a group',
          description:
            'It has a keyring and a delivery key of its own from the start. `group.exists` (409) when the name is taken; that of a deleted group is free.',
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
          operationId: 'listGroups',
          summary: 'List groups',
          description: 'Those that the caller may see, in the order of their names.',
          querystring: pageQuery(groupName),
          response: { 200: page(group), ...problemResponses },
        },
      },
      async (request) => listVisibleGroups(platform, operationOf(request), request.query),
    );

    app.get(
      '/groups/:group',
      {
        config: { permission: 'group:read', conditional: true },
        schema: {
          tags,
          operationId: 'getGroup',
          summary: 'Show a group',
          description:
            'Its `revision` beside the `appliedRevision` of its agents tells which of them have the newest state.',
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
        config: { permission: 'group:update', conditional: true },
        schema: {
          tags,
          operationId: 'updateGroup',
          summary: 'Change what a group’s agents may do',
          description:
            'A way to open sessions that is taken away is refused to agents from their next session or renewal on (`agent.method_refused`), within 15 minutes. What agents receive does not change, nor does the revision.',
          params,
          body: patchGroupBody,
          response: { 200: group, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params, body } = request;
        const [op, condition] = [operationOf(request), new Precondition(request)];
        const updated = await updateGroup(platform, op, params.group, body, condition);
        return tagged(reply, stateOf(updated)).send(updated);
      },
    );

    app.delete(
      '/groups/:group',
      {
        config: { permission: 'group:delete', conditional: true },
        schema: {
          tags,
          operationId: 'deleteGroup',
          summary: 'Delete a group that holds nothing any more',
          description:
            '`group.not_empty` (409) tells in `issues` what is still there and how many: agents that are not revoked, secrets, plugins, certificates, enrollment tokens that can still be used, links, bans, and roles in it, the caller’s own too. The group’s keys are destroyed, so that nothing that was sealed in it can be opened again, and its name is free. Its revoked agents and its audit stay.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const [op, condition] = [operationOf(request), new Precondition(request)];
        await deleteGroup(platform, op, request.params.group, condition);
        return reply.code(204).send(null);
      },
    );

    app.get(
      '/groups/:group/keyring',
      {
        config: { permission: 'keyring:read' },
        schema: {
          tags,
          operationId: 'getKeyring',
          summary: 'Show a group’s key versions, and how far sealing anew has come',
          description:
            'The keyring seals what the control plane stores of the group. After a rotation `remaining` goes down to 0.',
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
          operationId: 'rotateKeyring',
          summary: 'Give a group a new key',
          description:
            'It seals whatever is written from now on. What older versions sealed is sealed anew in the background while everything goes on, and a version that nothing uses any more is destroyed. Agents notice nothing. Keyrings are also rotated by themselves, by age and by use.',
          params,
          response: { 200: keyring, ...problemResponses },
        },
      },
      async (request) => rotateGroupKeyring(platform, operationOf(request), request.params.group),
    );
  };
}
