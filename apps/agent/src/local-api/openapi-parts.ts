import type { AgentErrorCode } from '../agent-error.ts';
import { shapes } from './openapi-shapes.ts';
import { statuses } from './problem-reply.ts';

/** Part of the document, as it is sent. */
export type Json = Record<string, unknown>;

export const version = {
  name: 'version',
  in: 'query',
  description: 'Only this version; 404 when the agent holds another one',
  schema: { type: 'integer', minimum: 1 },
};

export const field = {
  name: 'field',
  in: 'query',
  description: 'One member of a secret that is JSON: its name, or a JSON Pointer (RFC 6901)',
  schema: { type: 'string' },
};

const ifNoneMatch = {
  name: 'If-None-Match',
  in: 'header',
  description: 'The `ETag` of an earlier reply',
  schema: { type: 'string' },
};

export const leaseId = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id that taking the lease brought',
  schema: { type: 'string', format: 'uuid' },
};

export function named(what: string): Json {
  return {
    name: 'name',
    in: 'path',
    required: true,
    description: `Name of the ${what}; its slashes may come raw or as %2F`,
    schema: { type: 'string' },
  };
}

export const headers = {
  Age: header('Seconds since the control plane confirmed it, or its provider found it', 'integer'),
  Warning: header('`110 - "Response is Stale"` while what would confirm it is out of reach'),
  ETag: header('Another one for each value, and for each form of it'),
  RequestId: header('What the request is found by, in log and audit'),
};

const requestId = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } };
const freshness = {
  Age: { $ref: '#/components/headers/Age' },
  Warning: { $ref: '#/components/headers/Warning' },
};

function header(description: string, type = 'string'): Json {
  return { description, schema: { type } };
}

export function contentOf(shape: keyof typeof shapes, mediaType = 'application/json'): Json {
  return { [mediaType]: { schema: { $ref: `#/components/schemas/${shape}` } } };
}

export function reply(description: string, content?: Json, more: Json = {}): Json {
  const of = content === undefined ? {} : { content };
  return { description, headers: { ...requestId, ...more }, ...of };
}

export function list(operationId: string, summary: string, description: string): Json {
  const replies = { 200: reply('Names and versions', contentOf('List'), freshness) };
  return operation(operationId, { summary, description, replies });
}

type Read = Omit<Operation, 'replies'> & { content: Json };

export function read(operationId: string, { content, parameters = [], ...of }: Read): Json {
  const etag = { ETag: { $ref: '#/components/headers/ETag' } };
  return operation(operationId, {
    ...of,
    parameters: [...parameters, ifNoneMatch],
    replies: {
      200: reply('The value', content, { ...freshness, ...etag }),
      304: reply('It is the one of `If-None-Match`', undefined, { ...freshness, ...etag }),
    },
  });
}

type Operation = {
  summary: string;
  description?: string;
  parameters?: Json[];
  body?: keyof typeof shapes;
  replies: Json;
  /** Those that are of this operation; others may come of any. */
  refusals?: AgentErrorCode[];
};

export function operation(
  operationId: string,
  { body, replies, refusals = [], ...of }: Operation,
): Json {
  const told =
    refusals.length === 0 ? {} : { description: `Refused; of its own: ${codesIn(refusals)}` };
  return {
    operationId,
    ...of,
    ...(body === undefined ? {} : { requestBody: bodyOf(body) }),
    responses: { ...replies, default: { $ref: '#/components/responses/Problem', ...told } },
  };
}

/** One without a field that has to be there may be left out. */
function bodyOf(shape: keyof typeof shapes): Json {
  return { required: shapes[shape].required !== undefined, content: contentOf(shape) };
}

/** With the status that each comes with. */
export function codesIn(codes: readonly AgentErrorCode[]): string {
  return codes.map((code) => `\`${code}\` (${statuses[code]})`).join(', ');
}
