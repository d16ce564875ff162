import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { createJsonSchemaTransform } from 'fastify-type-provider-zod';
import { VERSION } from '../platform/version.ts';
import { named, withNamedShapes } from './named-shapes.ts';

/** What the page is made of comes from here, and nothing else is run, loaded or asked. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const toJsonSchema = createJsonSchemaTransform({ schemaRegistry: named });

/** Collects every route that follows into an OpenAPI document, and serves it with the page that shows it. */
export async function describeApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sallyport operator API',
        version: VERSION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: describeOperation,
    transformObject: withNamedShapes,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
  });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: 'As asked',
  201: 'Created',
  202: 'Accepted',
  204: 'Done',
};
const TAGS = { type: 'string', description: 'Entity tags of what was read, or *' };
const CONDITIONS = { 'if-match': TAGS, 'if-none-match': TAGS };
const KEY = {
  type: 'string',
  maxLength: 255,
  description: 'A second request with it is given the reply of the first',
};

/**
 * A route as the API document has it: with what holds for each, of its method and its configuration. `x-permission`
 * is what policy asks of its caller.
 */
const describeOperation: typeof toJsonSchema = (route) => {
  const { schema, url } = toJsonSchema(route);
  const { method, config } = route.route;
  const { permission, conditional = false, keepReply = true } = config ?? {};
  const takesKey = method === 'POST' && keepReply && permission !== 'public';
  const described = {
    ...schema,
    operationId: operationId(String(method), url),
    ...(permission === 'public' ? { security: [] } : {}),
    headers: {
      type: 'object',
      properties: {
        ...(conditional ? CONDITIONS : {}),
        ...(takesKey ? { 'idempotency-key': KEY } : {}),
      },
    },
    response: withDescriptions(schema.response),
    'x-permission': permission,
  };
  return { url, schema: described };
};

/** Of `PUT /api/v1/groups/:group/secrets/:secret`: `putGroupsGroupSecretsSecret`. */
function operationId(method: string, url: string): string {
  const words = url.replace('/api/v1', '').match(/[a-z0-9]+/gi) ?? [];
  return (
    method.toLowerCase() + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('')
  );
}

function withDescriptions(responses: unknown): Record<string, unknown> {
  const entries = Object.entries(responses ?? {}).map(([status, response]) => {
    const description = DESCRIPTIONS[status];
    if (description === undefined) return [status, response];
    const isWhole = response.type === 'null' || 'content' in response;
    const reply = isWhole ? response : { content: { 'application/json': { schema: response } } };
    return [status, { ...reply, description }];
  });
  return Object.fromEntries(entries);
}
