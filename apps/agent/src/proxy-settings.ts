import { conventionalProxy } from '@sallyport/config/conventional-proxy';
import { secret } from '@sallyport/config/fields';
import type { Environment } from '@sallyport/config/load';
import { Secret } from '@sallyport/config/secret';
import { isNoProxyEntry } from '@sallyport/tls/proxy/no-proxy';
import { parseProxy } from '@sallyport/tls/proxy/proxy';
import { z } from 'zod';

/** The proxy of every outgoing link that has none of its own. */
export const proxySettings = z.strictObject({
  url: secret(
    z
      .string()
      .refine(
        isProxyUrl,
        'write it as http://, https:// or socks5h://, then [user:password@]host:port, with @ : / % in the user and the password as %40 %3A %2F %25',
      ),
    hasPassword,
  )
    .optional()
    .meta({
      env: 'SALLYPORT_AGENT_PROXY_URL',
      description:
        'Proxy for what the agent connects to: http://, https:// or socks5h://, then [user:password@]host:port; unset: HTTPS_PROXY',
    }),
  password: secret().optional().meta({
    env: 'SALLYPORT_AGENT_PROXY_PASSWORD',
    description: 'Password of the user in proxy.url, in place of one there',
  }),
  noProxy: z
    .array(
      z
        .string()
        .refine(isNoProxyEntry, 'name a host, .domain, host:port, address, CIDR range or *'),
    )
    .optional()
    .meta({
      env: 'SALLYPORT_AGENT_PROXY_NO_PROXY',
      description:
        'Destinations reached without the proxy: host, .domain, host:port, address, CIDR range, or * for all; unset: NO_PROXY, where HTTPS_PROXY is used',
    }),
  ca: z.string().min(1).optional().meta({
    env: 'SALLYPORT_AGENT_PROXY_CA',
    description: 'PEM file of the CA to trust for an HTTPS proxy; unset: the public ones',
  }),
});

export type ProxySettings = z.output<typeof proxySettings>;

function isProxyUrl(text: string): boolean {
  try {
    // Which password goes with it is another question, asked when a link is made.
    parseProxy(text);
    return true;
  } catch {
    return false;
  }
}

/** The rest of a proxy's URL may be read by everybody. */
function hasPassword(text: string): boolean {
  return !URL.canParse(text) || new URL(text).password !== '';
}

/**
 * Takes HTTPS_PROXY and NO_PROXY, in either case, as other programs on the host do; what Sallyport's own
 * keys say wins, and where they name a proxy the variables count for nothing.
 */
export function withConventionalProxy(settings: ProxySettings, env: Environment): ProxySettings {
  const conventional = conventionalProxy(env, settings.noProxy);
  if (settings.url !== undefined || conventional === undefined) return settings;
  return { ...settings, ...conventional, url: new Secret(conventional.url) };
}
