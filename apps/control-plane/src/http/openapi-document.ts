import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform as toJsonSchema } from 'fastify-type-provider-zod';
import { VERSION } from '../platform/version.ts';

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
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: withPermission,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
  });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

/** A route as the API document has it; `x-permission` is what policy asks of its caller. */
const withPermission: typeof toJsonSchema = (route) => {
  const { schema, url } = toJsonSchema(route);
  const { permission } = route.route.config ?? {};
  return { url, schema: { ...schema, 'x-permission': permission } };
};
