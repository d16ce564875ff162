import { isIP } from 'node:net';
import { LinkError } from '../link-error.ts';
import type { TlsPolicy } from '../policy.ts';

/** A proxy that a link goes through. Printing one shows no credentials. */
export type Proxy = {
  kind: 'http' | 'https' | 'socks5';
  /** `scheme://host:port`, for messages. */
  origin: string;
  host: string;
  port: number;
  /** Asked for by each connection; no way of printing the proxy reaches them. Undefined where the URL names no user. */
  credentials: (() => Credentials | Promise<Credentials>) | undefined;
  /** PEM certificates to trust for an HTTPS proxy; absent means the public roots. */
  ca: string | undefined;
  /** What an HTTPS proxy may negotiate; `defaultTlsPolicy` where absent. What runs inside the tunnel has its own. */
  tls: TlsPolicy | undefined;
  settings: ProxySettingNames;
};

/** What errors call what a proxy is set by. */
export type ProxySettingNames = {
  url: string;
  /** Where the user name and the password are. */
  credentials: string;
  /** What to do for a CA that is not trusted. */
  trust: string;
};

const keys: ProxySettingNames = {
  url: 'proxy.url',
  credentials: 'proxy.url and proxy.password',
  trust: 'set proxy.ca to the PEM file of the CA that issued it',
};

/** For a program that has no other way to set one. */
export const proxyVariable: ProxySettingNames = {
  url: 'HTTPS_PROXY',
  credentials: 'HTTPS_PROXY, as user:password@ before its host',
  trust: 'add the CA that issued it to those that this host trusts',
};

export type Credentials = { user: string; password: string };

/** Both SOCKS schemes leave the host's name to the proxy: an agent behind one may have no DNS of its own. */
const kinds: Readonly<Record<string, { kind: Proxy['kind']; defaultPort: number }>> = {
  'http:': { kind: 'http', defaultPort: 80 },
  'https:': { kind: 'https', defaultPort: 443 },
  'socks5:': { kind: 'socks5', defaultPort: 1080 },
  'socks5h:': { kind: 'socks5', defaultPort: 1080 },
};

/** RFC 1929, section 2: one byte holds the length of each. */
const MOST_SOCKS5_BYTES = 255;

function refused(text: string): LinkError {
  return new LinkError('proxy.bad_url', text, { retryable: false });
}

function decode(part: string, settings: ProxySettingNames): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refused(
      `The user name or the password in ${settings.url} holds a bare %; write it as %25.`,
    );
  }
}

function credentialsOf(
  url: URL,
  kind: Proxy['kind'],
  { password: given, settings = keys }: ProxyOptions,
) {
  const user = decode(url.username, settings);
  const inUrl = decode(url.password, settings);
  if (inUrl !== '' && given !== undefined)
    throw refused('The password is in proxy.url and in proxy.password; keep one.');
  const password = given ?? inUrl;
  if (user === '' && password !== '')
    throw refused(
      `There is a password for the proxy and no user name; put the name in ${settings.url}.`,
    );
  if (user === '') return undefined;
  if (/\p{Cc}/u.test(user + password) || (kind !== 'socks5' && user.includes(':')))
    throw refused(
      'The user name or the password of the proxy holds a character that cannot be sent: a control character, or a colon in the name.',
    );
  if (
    kind === 'socks5' &&
    [user, password].some((text) => Buffer.byteLength(text) > MOST_SOCKS5_BYTES)
  )
    throw refused('SOCKS5 takes a user name and a password of at most 255 bytes each.');
  return () => ({ user, password });
}

type ProxyOptions = {
  password?: string | undefined;
  ca?: string | undefined;
  tls?: TlsPolicy | undefined;
  /** By default, the agent's keys. */
  settings?: ProxySettingNames;
};

/**
 * `http://`, `https://`, `socks5://` or `socks5h://`, with `user:password@` or not. Throws `LinkError`
 * `proxy.bad_url`, which quotes nothing of the URL.
 */
export function parseProxy(text: string, options: ProxyOptions = {}): Proxy {
  const { ca, tls, settings = keys } = options;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = url && kinds[url.protocol];
  const host = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '';
  const isHost = isIP(host) !== 0 || /^[\w.-]+$/.test(host);
  if (!url || !scheme || !isHost || !/^\/?$/.test(url.pathname) || url.search + url.hash !== '')
    throw refused(
      `The URL of the proxy is malformed; write it as http://, https:// or socks5h://, then [user:password@]host:port, in ${settings === keys ? 'proxy.url, or in HTTPS_PROXY where that is not set' : settings.url}.`,
    );
  const port = url.port === '' ? scheme.defaultPort : Number(url.port);
  return {
    kind: scheme.kind,
    origin: `${url.protocol}//${url.hostname}:${port}`,
    host,
    port,
    credentials: credentialsOf(url, scheme.kind, options),
    ca,
    tls,
    settings,
  };
}
