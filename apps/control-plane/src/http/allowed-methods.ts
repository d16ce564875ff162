import type { FastifyInstance } from 'fastify';

/** What tells the methods that a path has, by the routes that are added after this; none where it is no path. */
export function collectMethods(app: FastifyInstance): (url: string) => string[] {
  const routes: { url: string; pattern: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ url, pattern: patternOf(url), methods: [method].flat() });
  });
  return (asked) => {
    const [path = ''] = asked.split('?', 1);
    // One path may be of several routes: `/sessions/current`, `/sessions/:session`.
    const found = routes.filter(({ pattern }) => pattern.test(path));
    const methods = found.flatMap(({ url, methods: of }) =>
      // A route that a later hook refused was not made.
      of.filter((method) => app.hasRoute({ url, method })),
    );
    return [...new Set(methods)].toSorted();
  };
}

/** `/groups/:group` has any name in the place of the parameter, and `/docs/*` anything below it. */
function patternOf(route: string): RegExp {
  const parts = route.split('/').map((part) => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? '[^/]+' : RegExp.escape(part);
  });
  return new RegExp(`^${parts.join('/')}$`);
}
