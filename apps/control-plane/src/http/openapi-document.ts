import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, onRouteHookHandler } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { VERSION } from '../platform/version.ts';
import { overview, tags } from './api-overview.ts';
import { withNamedShapes } from './named-shapes.ts';

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

/** Collects every route that follows into an OpenAPI document, and serves it with the page that shows it. */
export async function describeApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sallyport operator API',
        version: VERSION,
        description: overview,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags,
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
  app.addHook('onRoute', refuseNamelessRoutes());
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
const KNOWN = { 'if-none-match': TAGS };
const UNMODIFIED = { 304: { type: 'null', description: 'Not changed since' } };
const KEY = {
  type: 'string',
  maxLength: 255,
  description: 'A second request with it is given the reply of the first',
};

/**
 * A route as the API document has it: with what holds for each, of its method and its configuration. `x-permission`
 * is what policy asks of its caller.
 */
const describeOperation: typeof jsonSchemaTransform = (route) => {
  const { schema, url } = jsonSchemaTransform(route);
  const { method, config } = route.route;
  const { permission, conditional = false, keepReply = true } = config ?? {};
  const isRead = method === 'GET';
  const takesKey = method === 'POST' && keepReply && permission !== 'public';
  const described = {
    ...schema,
    ...(permission === 'public' ? { security: [] } : {}),
    headers: {
      type: 'object',
      properties: {
        ...(conditional ? (isRead ? KNOWN : CONDITIONS) : {}),
        ...(takesKey ? { 'idempotency-key': KEY } : {}),
      },
    },
    response: {
      ...withDescriptions(schema.response),
      ...(conditional && isRead ? UNMODIFIED : {}),
    },
    'x-permission': permission,
  };
  return { url, schema: described };
};

/** Lets no route be made that has no name in the document, or that of another: clients call their methods by it. */
function refuseNamelessRoutes(): onRouteHookHandler {
  const taken = new Set<string>();
  return ({ method, url, schema: { hide = false, operationId = '' } = {} }) => {
    if (hide) return;
    if (operationId === '' || taken.has(operationId))
      throw new Error(`${String(method)} ${url} needs a schema.operationId of its own`);
    taken.add(operationId);
  };
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
