type Variables = Readonly<Record<string, string | undefined>>;

/** A variable that is meant for other programs too says nothing about this host's own addresses. */
const LOOPBACK = ['localhost', '127.0.0.0/8', '::1'];

/**
 * The proxy of HTTPS_PROXY, in either case, as other programs on the host take it, and what is reached without it:
 * `noProxy`, else what NO_PROXY lists, and loopback addresses. Undefined where the variable is unset or empty.
 */
export function conventionalProxy(
  env: Variables,
  noProxy?: readonly string[],
): { url: string; noProxy: string[] } | undefined {
  // An empty one is no answer: Compose and CI systems pass empty ones for those that nobody set.
  const url = env['HTTPS_PROXY'] || env['https_proxy'];
  if (!url) return undefined;
  const exempt = noProxy ?? (env['NO_PROXY'] || env['no_proxy'] || '').split(/[\s,]+/);
  return {
    url: url.includes('://') ? url : `http://${url}`,
    noProxy: [...LOOPBACK, ...exempt],
  };
}
