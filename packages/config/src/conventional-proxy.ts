import { valueOf } from './expand.ts';
import type { Environment } from './load.ts';

/** A variable that is meant for other programs too says nothing about this host's own addresses. */
const LOOPBACK = ['localhost', '127.0.0.0/8', '::1'];

/**
 * The proxy of HTTPS_PROXY, in either case, as other programs on the host take it, and what is reached without it:
 * `noProxy`, else what NO_PROXY lists, and loopback addresses. Undefined where the variable is unset or empty.
 */
export function conventionalProxy(
  env: Environment,
  noProxy?: readonly string[],
): { url: string; noProxy: string[] } | undefined {
  const url = valueOf(env, 'HTTPS_PROXY') ?? valueOf(env, 'https_proxy');
  if (url === undefined) return undefined;
  const exempt =
    noProxy ?? (valueOf(env, 'NO_PROXY') ?? valueOf(env, 'no_proxy') ?? '').split(/[\s,]+/);
  return {
    url: url.includes('://') ? url : `http://${url}`,
    noProxy: [...LOOPBACK, ...exempt],
  };
}
