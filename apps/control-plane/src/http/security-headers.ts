import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance } from 'fastify';

const YEAR_SECONDS = 365 * 24 * 60 * 60;

type Headers = Record<string, string>;

/**
 * Headers for browsers. The policy is that of replies which are data: nothing is loaded, framed or sent from
 * them. A page that is to be shown sets its own. On the operator API only: no browser comes to the agent API,
 * whose replies go out by the thousand.
 */
export async function setSecurityHeaders(app: FastifyInstance): Promise<void> {
  const headers = await helmetHeaders();
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
}

/**
 * What helmet sets, which is the same for each reply. In the way of requests it would make all of it anew, and a
 * function on each reply that keeps everything of the request until V8 collects its old objects (docs/adr/0020).
 */
async function helmetHeaders(): Promise<Headers> {
  const app = Fastify();
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: { maxAge: YEAR_SECONDS, includeSubDomains: false },
    crossOriginEmbedderPolicy: true,
  });
  let headers: Headers = {};
  app.get('/', async (_request, { raw }) => {
    headers = Object.fromEntries(
      raw.getHeaderNames().map((name) => [name, String(raw.getHeader(name))]),
    );
    return '';
  });
  await app.inject('/');
  await app.close();
  return headers;
}
