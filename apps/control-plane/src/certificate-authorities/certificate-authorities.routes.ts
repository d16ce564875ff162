import { certificateAuthority, certificateAuthorityList, uuid } from '@sallyport/contract';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problemResponses } from '../http/problem-responses.ts';
import { operationOf } from '../http/request-operation.ts';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import {
  activateAuthority,
  deletePreparedAuthority,
  listCertificateAuthorities,
  prepareAuthority,
  retireAuthority,
} from './certificate-authorities.service.ts';

const tags = ['certificate authorities'];
const params = z.object({ authority: uuid });
const path = '/certificate-authorities';

/** `/api/v1/certificate-authorities`: the control plane's own CA, and its rotation in phases. */
export function certificateAuthoritiesRoutes(
  platform: Platform,
  trust: Trust,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      path,
      {
        config: { permission: 'certificate-authority:read' },
        schema: {
          tags,
          operationId: 'listCertificateAuthorities',
          summary: 'List the control plane’s own CAs',
          description: 'The newest first, retired ones too.',
          response: { 200: certificateAuthorityList, ...problemResponses },
        },
      },
      async (request) => listCertificateAuthorities(platform, operationOf(request)),
    );

    app.post(
      path,
      {
        config: { permission: 'certificate-authority:prepare' },
        schema: {
          tags,
          operationId: 'prepareCertificateAuthority',
          summary: 'Prepare the CA that is to follow',
          description:
            'Agents learn to trust it with their next session, in a quarter of an hour at most, before it issues anything. `certificate_authority.wrong_state` (409) while a rotation is under way.',
          response: { 201: certificateAuthority, ...problemResponses },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await prepareAuthority(platform, trust, operationOf(request))),
    );

    app.post(
      `${path}/:authority/activate`,
      {
        config: { permission: 'certificate-authority:activate' },
        schema: {
          tags,
          operationId: 'activateCertificateAuthority',
          summary: 'Let a prepared CA issue, or one that was superseded again',
          description:
            'The CA that was active stays trusted: it is superseded then, or, on the way back, prepared. `certificate_authority.wrong_state` (409) for one that is neither prepared nor superseded.',
          params,
          response: { 200: certificateAuthority, ...problemResponses },
        },
      },
      async (request) =>
        activateAuthority(platform, operationOf(request), request.params.authority),
    );

    app.post(
      `${path}/:authority/retire`,
      {
        config: { permission: 'certificate-authority:retire' },
        schema: {
          tags,
          operationId: 'retireCertificateAuthority',
          summary: 'End the trust in a superseded CA',
          description:
            'Its key is destroyed. `certificate_authority.in_use` (409) while agents have certificates of it that have not expired, with how many; `certificate_authority.wrong_state` (409) for one that is not superseded.',
          params,
          response: { 200: certificateAuthority, ...problemResponses },
        },
      },
      async (request) => retireAuthority(platform, operationOf(request), request.params.authority),
    );

    app.delete(
      `${path}/:authority`,
      {
        config: { permission: 'certificate-authority:delete' },
        schema: {
          tags,
          operationId: 'deleteCertificateAuthority',
          summary: 'Give up a prepared CA',
          description:
            '`certificate_authority.wrong_state` (409) for one that is not prepared, or that has issued something.',
          params,
          response: { 204: z.null(), ...problemResponses },
        },
      },
      async (request, reply) => {
        await deletePreparedAuthority(platform, operationOf(request), request.params.authority);
        return reply.code(204).send(null);
      },
    );
  };
}
