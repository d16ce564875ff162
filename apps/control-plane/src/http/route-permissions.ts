import type { onRouteHookHandler } from 'fastify';

/**
 * Lets no route be made that does not say what it asks of its caller, since it would be served to everybody:
 * `public`, or what `isKnown` says this API asks for.
 */
export function refuseUnguardedRoutes(
  isKnown: (permission: string) => boolean,
): onRouteHookHandler {
  return ({ method, url, config: { permission = '' } = {} }) => {
    if (permission === 'public' || isKnown(permission)) return;
    throw new Error(`${String(method)} ${url} needs a config.permission of its API, or 'public'`);
  };
}
