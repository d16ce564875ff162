import {
  certificate,
  certificateQuery,
  groupName,
  page,
  putCertificateBody,
  resourceName,
} from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Precondition, tagged } from '../http/preconditions.ts';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import {
  getCertificate,
  listGroupCertificates,
  removeCertificate,
} from './certificates.service.ts';
import { putCertificate } from './put-certificate.ts';

const tags = ['certificates'];
const groupParams = z.object({ group: groupName });
const params = z.object({ group: groupName, certificate: resourceName });
const path = '/groups/:group/certificates/:certificate';

/** `/api/v1/groups/:group/certificates`. No reply carries a chain or a key. */
export function certificatesRoutes(platform: Platform): FastifyPluginAsyncZod {
  return async (app) => {
    app.put(
      path,
      {
        config: { permission: 'certificate:write', conditional: true },
        schema: {
          tags,
          operationId: 'putCertificate',
          summary: 'Create or replace a certificate, with its chain and key',
          description:
            'Agents hold the old chain and key until they have the new ones, both at once. What a client would refuse later is refused here, with a `certificate.…` code (400) that says why: a key of another certificate, a gap in the chain, an end that is past, and more (`docs/certificates.md`). `group.too_large` (413) when the group would hold more than 8 MiB.',
          params,
          body: putCertificateBody,
          response: { 200: certificate, 201: certificate, ...problemResponses },
        },
      },
      async (request, reply) => {
        const op = operationOf(request);
        const condition = new Precondition(request);
        const put = await putCertificate(platform, op, request.params, request.body, condition);
        return tagged(reply, put.certificate)
          .code(put.created ? 201 : 200)
          .send(put.certificate);
      },
    );

    app.get(
      '/groups/:group/certificates',
      {
        config: { permission: 'certificate:read' },
        schema: {
          tags,
          operationId: 'listCertificates',
          summary: 'List certificates, without chains and keys',
          description: 'In the order of their names.',
          params: groupParams,
          querystring: certificateQuery,
          response: { 200: page(certificate), ...problemResponses },
        },
      },
      async (request) =>
        listGroupCertificates(platform, operationOf(request), request.params.group, request.query),
    );

    app.get(
      path,
      {
        config: { permission: 'certificate:read', conditional: true },
        schema: {
          tags,
          operationId: 'getCertificate',
          summary: 'Show a certificate, without its chain and key',
          description:
            'What it says of itself. 30, 14, 7 and 1 days before its end the audit has `certificate:expiring`.',
          params,
          response: { 200: certificate, ...problemResponses },
        },
      },
      async (request, reply) => {
        const found = await getCertificate(platform, operationOf(request), request.params);
        return tagged(reply, found).send(found);
      },
    );

    app.delete(
      path,
      {
        config: { permission: 'certificate:delete', conditional: true },
        schema: {
          tags,
          operationId: 'deleteCertificate',
          summary: 'Delete a certificate, with its chain and key',
          description:
            'Agents drop it with the group’s next revision, at once; files that they keep of it stay.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        const condition = new Precondition(request);
        await removeCertificate(platform, operationOf(request), request.params, condition);
        return reply.code(204).send(null);
      },
    );
  };
}
