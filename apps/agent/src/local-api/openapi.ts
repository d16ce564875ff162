import { problem } from '@sallyport/contract';
import { z } from 'zod';
import { VERSION } from '../version.ts';
import { health } from './health.ts';
import { renewBody, takeBody } from './leases.ts';
import { statuses } from './problem-reply.ts';
import { certificateReply, leaseReply, lentReply, listReply, secretReply } from './replies.ts';

type Json = Record<string, unknown>;

const json = (schema: z.ZodType) => ({
  'application/json': { schema: z.toJSONSchema(schema, { io: 'output' }) },
});

const name = (what: string) => ({
  name: 'name',
  in: 'path',
  required: true,
  description: `Name of the ${what}; its slashes may come raw or as %2F`,
  schema: { type: 'string' },
});

const ifNoneMatch = {
  name: 'If-None-Match',
  in: 'header',
  description: 'The ETag of an earlier reply: 304 while the value is the same',
  schema: { type: 'string' },
};

/** The OpenAPI document of the local API. */
export function localApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Local API of the Sallyport agent',
      version: VERSION,
      description:
        'For programs on the agent’s host, over unix sockets and, where it is set, loopback TCP. Who may read what is set for each of these.',
    },
    servers: [{ url: 'http://localhost', description: 'Over a unix socket' }],
    paths: {
      '/v1/secrets': get('List the secrets that may be read, without values', json(listReply)),
      '/v1/secrets/{name}': get('Read a secret', json(secretReply), secretParameters()),
      '/v1/config': get('List the plugins whose configuration may be read', json(listReply)),
      '/v1/config/{name}': get('Read the configuration of a plugin', json(z.looseObject({})), [
        name('plugin'),
        ifNoneMatch,
      ]),
      '/v1/certificates': get('List the certificates that may be read', json(listReply)),
      '/v1/certificates/{name}': get(
        'Read a certificate with its private key',
        { ...json(certificateReply), 'application/x-pem-file': { schema: { type: 'string' } } },
        [name('certificate'), ifNoneMatch],
      ),
      ...leasePaths(),
      '/v1/watch': get(
        'Be told of changes, without values: events change, revision, reset and revoked',
        { 'text/event-stream': { schema: { type: 'string' } } },
        [
          {
            name: 'Last-Event-ID',
            in: 'header',
            description: 'The id of the last event that was heard, to be told what was missed',
            schema: { type: 'string' },
          },
        ],
      ),
      '/healthz': get('How the agent is; 503 while it serves nothing', json(health), [], {
        503: { description: 'The same, while it serves nothing', content: json(health) },
      }),
      '/metrics': get('The same for Prometheus', { 'text/plain': { schema: { type: 'string' } } }),
      '/openapi.json': get('This document', json(z.looseObject({}))),
    },
    components: { schemas: { Problem: z.toJSONSchema(problem, { io: 'output' }) } },
  };
}

function leasePaths(): Json {
  return {
    '/v1/leases': operation('post', 'Take a lease of a secret, with its value', {
      code: 201,
      content: json(lentReply),
      body: takeBody,
    }),
    '/v1/leases/{id}': {
      ...operation('get', 'Read the value of a lease: 410 once it is over, or used up', {
        code: 200,
        content: json(lentReply),
        parameters: [leaseId],
      }),
      ...operation('delete', 'End a lease: its value is forgotten', {
        code: 204,
        parameters: [leaseId],
      }),
    },
    '/v1/leases/{id}/renew': operation('post', 'Have a lease last longer', {
      code: 200,
      content: json(leaseReply),
      parameters: [leaseId],
      body: renewBody,
    }),
  };
}

function secretParameters(): Json[] {
  return [
    name('secret'),
    {
      name: 'version',
      in: 'query',
      description: 'Only this version; 404 when the agent holds another one',
      schema: { type: 'integer', minimum: 1 },
    },
    {
      name: 'field',
      in: 'query',
      description: 'One member of a secret that is JSON: its name, or a JSON Pointer (RFC 6901)',
      schema: { type: 'string' },
    },
    ifNoneMatch,
  ];
}

const leaseId = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id that taking the lease brought',
  schema: { type: 'string', format: 'uuid' },
};

function get(summary: string, content: Json, parameters: Json[] = [], others: Json = {}): Json {
  const unchanged = { 304: { description: 'The value is the one of If-None-Match' } };
  return operation('get', summary, {
    code: 200,
    content,
    parameters,
    others: parameters.includes(ifNoneMatch) ? unchanged : others,
  });
}

/** `others` are the replies that are neither as asked nor a problem. */
type Operation = {
  code: number;
  content?: Json;
  parameters?: Json[];
  body?: z.ZodType;
  others?: Json;
};

function operation(
  method: string,
  summary: string,
  { code, content, parameters = [], body, others = {} }: Operation,
): Json {
  const codes = Object.entries(statuses).map(([code, status]) => `${status} ${code}`);
  return {
    [method]: {
      summary,
      parameters,
      ...(body === undefined ? {} : { requestBody: { content: json(body) } }),
      responses: {
        [code]: { description: 'As asked', ...(content === undefined ? {} : { content }) },
        ...others,
        default: {
          description: `A problem document (RFC 9457): ${codes.join(', ')}`,
          content: {
            'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
          },
        },
      },
    },
  };
}
