import type { X509Certificate } from 'node:crypto';
import { failureOf, type ConnectionFailureCode } from '../connection-failure.ts';
import { LinkError, type LinkErrorCode } from '../link-error.ts';
import type { Proxy, ProxySettingNames } from './proxy.ts';

/** Where a proxy is asked to connect to. */
export type Target = { host: string; port: number };

type ProxyErrorCode = Extract<LinkErrorCode, `proxy.${string}`>;

/** By the failure of any connection: with none of them was the target reached. */
const codes: Readonly<Record<ConnectionFailureCode, ProxyErrorCode>> = {
  'link.dns': 'proxy.dns',
  'link.protocol': 'proxy.protocol',
  'link.refused': 'proxy.refused',
  'link.reset': 'proxy.reset',
  'link.timeout': 'proxy.timeout',
  'tls.expired': 'proxy.expired',
  'tls.handshake': 'proxy.handshake',
  'tls.name_mismatch': 'proxy.name_mismatch',
  'tls.unknown_ca': 'proxy.unknown_ca',
  'tls.version': 'proxy.version',
  'tls.wrong_usage': 'proxy.wrong_usage',
};

/** A proxy has no fingerprint to be known by; and one that is spoken to in another manner than its own says nothing. */
function inOtherWords(
  code: ConnectionFailureCode,
  settings: ProxySettingNames,
): string | undefined {
  if (code === 'tls.unknown_ca')
    return `has a certificate that no trusted CA issued; ${settings.trust}`;
  if (code === 'link.reset')
    return `closed the connection before it replied; check the scheme and the port in ${settings.url}, and read its log`;
  return undefined;
}

function proxyError(code: ProxyErrorCode, text: string, retryable: boolean): LinkError {
  return new LinkError(code, text, { retryable });
}

/** Says what an error from Node's network stack means for the connection to a proxy, which presented `chain`. */
export function proxyFailure(
  error: Error,
  { origin, settings }: Proxy,
  chain: readonly X509Certificate[],
): LinkError {
  const { code, text, retryable } = failureOf(error, chain);
  const why = inOtherWords(code, settings) ?? text;
  return proxyError(codes[code], `The proxy ${origin} ${why}.`, retryable);
}

/** The proxy did not make the connection in time, whichever step it was at. */
export function proxyTimeout({ origin }: Proxy, target: Target, timeoutMs: number): LinkError {
  return proxyError(
    'proxy.timeout',
    `The proxy ${origin} made no connection to ${nameOf(target)} within ${timeoutMs} ms; check that it runs, and the firewalls before and behind it.`,
    true,
  );
}

/** `offered` are the schemes that the proxy named, absent where the protocol names none. */
export function authenticationRequired(proxy: Proxy, offered = 'basic'): LinkError {
  const { origin, credentials, settings } = proxy;
  const text = !/\bbasic\b/i.test(offered)
    ? 'accepts none of the ways to sign in that this program has; allow Basic there, or let this host through without'
    : credentials
      ? `refuses the user name and password; correct them in ${settings.credentials}`
      : `asks for a user name and password; put them in ${settings.credentials}`;
  return proxyError('proxy.auth_required', `The proxy ${origin} ${text}.`, false);
}

/** `how` is the proxy's own word for it: a status, or a reply's name. */
export function denied(proxy: Proxy, target: Target, how: string, retryable: boolean): LinkError {
  return proxyError(
    'proxy.denied',
    `The proxy ${proxy.origin} does not connect to ${nameOf(target)} (${how}); allow that host and port there.`,
    retryable,
  );
}

export function hostUnresolved(proxy: Proxy, target: Target): LinkError {
  return proxyError(
    'proxy.host_unresolved',
    `The proxy ${proxy.origin} cannot resolve the name of ${nameOf(target)}; check its spelling and the DNS server of the proxy.`,
    true,
  );
}

export function hostUnreachable(proxy: Proxy, target: Target, how: string): LinkError {
  return proxyError(
    'proxy.host_unreachable',
    `The proxy ${proxy.origin} cannot resolve or reach ${nameOf(target)} (${how}); check the name, the DNS server of the proxy, and the way from there.`,
    true,
  );
}

/** What came is not named: it may be anything. */
export function notAProxy({ origin, settings }: Proxy): LinkError {
  return proxyError(
    'proxy.protocol',
    `${origin} does not answer as a proxy does; check the scheme, the host and the port in ${settings.url}.`,
    false,
  );
}

export function closedEarly({ origin }: Proxy): LinkError {
  return proxyError(
    'proxy.reset',
    `The proxy ${origin} closed the connection before it had made one; try again, and read its log if that goes on.`,
    true,
  );
}

/** `host:port`, with brackets around an IPv6 address. */
export function nameOf({ host, port }: Target): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
