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
          summary: 'List the control plane’s own CAs',
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
          summary: 'Prepare the CA that is to follow',
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
          summary: 'Let a prepared CA issue, or one that was superseded again',
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
          summary: 'End the trust in a superseded CA',
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
          summary: 'Give up a prepared CA',
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
