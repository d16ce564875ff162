import {
  groupName,
  page,
  pageQuery,
  patchSecretBody,
  putSecretBody,
  resourceName,
  restoreSecretBody,
  revealedSecret,
  revealSecretBody,
  secret,
  secretVersion,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { MERGE_PATCH } from '../http/json-body.ts';
import { Precondition, tagged } from '../http/preconditions.ts';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import { putSecret } from './put-secret.ts';
import { restoreSecret } from './restore-secret.ts';
import { revealSecret } from './reveal-secret.ts';
import { stateOf } from './secret-settings.ts';
import {
  getSecret,
  listGroupSecrets,
  listSecretVersions,
  removeSecret,
} from './secrets.service.ts';
import { updateSecret } from './update-secret.ts';

const tags = ['secrets'];
const groupParams = z.object({ group: groupName });
const params = z.object({ group: groupName, secret: resourceName });
const path = '/groups/:group/secrets/:secret';
const versionCursor = z.string().regex(/^[1-9]\d{0,8}$/, 'use the number of a version');

/** `/api/v1/groups/:group/secrets`. */
export function secretsRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.put(
      path,
      {
        config: { permission: 'secret:write', conditional: true },
        schema: {
          tags,
          operationId: 'putSecret',
          summary: 'Create a secret or a new version of it',
          description:
            'Every PUT makes a version, and agents are given the newest at once, unless the secret is lent out. What is absent of the settings stays as it was. `request.invalid` (400) for settings that do not go together: what is lent out is never on a disk, and no reference. `group.too_large` (413) when the group would hold more than 8 MiB.',
          params,
          body: putSecretBody,
          response: { 200: secret, 201: secret, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params: at, body } = request;
        const condition = new Precondition(request);
        const put = await putSecret(platform, operationOf(request), at, body, condition);
        return tagged(reply, stateOf(put.secret))
          .code(put.created ? 201 : 200)
          .send(put.secret);
      },
    );

    app.patch(
      path,
      {
        config: { permission: 'secret:write', conditional: true },
        schema: {
          tags,
          operationId: 'updateSecret',
          summary: 'Change how agents are given a secret, as a JSON Merge Patch',
          description:
            'No value is read or shown, and the version stays; agents hear of it at once. `request.invalid` (400) for settings that do not go together: what is lent out is never on a disk, and no reference. The audit has what was before and after.',
          consumes: [MERGE_PATCH, 'application/json'],
          params,
          body: patchSecretBody,
          response: { 200: secret, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params: at, body } = request;
        const condition = new Precondition(request);
        const updated = await updateSecret(platform, operationOf(request), at, body, condition);
        return tagged(reply, stateOf(updated)).send(updated);
      },
    );

    app.get(
      '/groups/:group/secrets',
      {
        config: { permission: 'secret:read' },
        schema: {
          tags,
          operationId: 'listSecrets',
          summary: 'List secrets, without values',
          description: 'In the order of their names.',
          params: groupParams,
          querystring: pageQuery(resourceName),
          response: { 200: page(secret), ...problemResponses },
        },
      },
      async (request) =>
        listGroupSecrets(platform, operationOf(request), request.params.group, request.query),
    );

    app.get(
      path,
      {
        config: { permission: 'secret:read', conditional: true },
        schema: {
          tags,
          operationId: 'getSecret',
          summary: 'Show a secret, without its value',
          description: 'Its `ETag` changes with the version, and with how agents are given it.',
          params,
          response: { 200: secret, ...problemResponses },
        },
      },
      async (request, reply) => {
        const found = await getSecret(platform, operationOf(request), request.params);
        return tagged(reply, stateOf(found)).send(found);
      },
    );

    app.get(
      `${path}/versions`,
      {
        config: { permission: 'secret:read' },
        schema: {
          tags,
          operationId: 'listSecretVersions',
          summary: 'List the versions of a secret',
          description: 'The newest first. Those of a secret that was deleted are gone with it.',
          params,
          querystring: pageQuery(versionCursor),
          response: { 200: page(secretVersion), ...problemResponses },
        },
      },
      async (request) =>
        listSecretVersions(platform, operationOf(request), request.params, request.query),
    );

    app.post(
      `${path}/restore`,
      {
        config: { permission: 'secret:write', conditional: true },
        schema: {
          tags,
          operationId: 'restoreSecretVersion',
          summary: 'Make a new version with the value of an earlier one',
          description:
            'The value is sealed anew inside the control plane; nobody is shown it, so that the right to write is enough. How agents are given the secret stays as it is now. `secret.version_not_found` (404); `secret.other_kind` (409) where one of the two is a reference and the other a value; `group.too_large` (413) as for `putSecret`.',
          params,
          body: restoreSecretBody,
          response: { 200: secret, ...problemResponses },
        },
      },
      async (request, reply) => {
        const { params: at, body } = request;
        const condition = new Precondition(request);
        const op = operationOf(request);
        const restored = await restoreSecret(platform, op, at, body.version, condition);
        return tagged(reply, stateOf(restored)).send(restored);
      },
    );

    app.post(
      `${path}/reveal`,
      {
        config: { permission: 'secret:reveal', keepReply: false },
        schema: {
          tags,
          operationId: 'revealSecret',
          summary: 'Reveal a value',
          description:
            'The only way for a value to leave by this API. It is audited before it is released, with its version; the reply is not kept for an `Idempotency-Key`. `secret.version_not_found` (404).',
          params,
          body: revealSecretBody,
          response: { 200: revealedSecret, ...problemResponses },
        },
      },
      async (request) =>
        revealSecret(platform, operationOf(request), request.params, request.body.version),
    );

    app.delete(
      path,
      {
        config: { permission: 'secret:delete', conditional: true },
        schema: {
          tags,
          operationId: 'deleteSecret',
          summary: 'Delete a secret and its versions',
          description:
            'Agents drop it with the group’s next revision, at once; its leases end. There is no way back.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const condition = new Precondition(request);
        await removeSecret(platform, operationOf(request), request.params, condition);
        return reply.code(204).send(null);
      },
    );
  };
}
