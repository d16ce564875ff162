import { readFile } from 'node:fs/promises';
import type { Secret } from '@sallyport/config/secret';
import { holdsCertificates } from '@sallyport/tls/certificates-in-pem';
import type { TlsPolicy } from '@sallyport/tls/policy';
import { parseProxy, type Credentials, type Proxy } from '@sallyport/tls/proxy/proxy';
import type { Route } from '@sallyport/tls/route';
import type { AgentConfig } from '../config.ts';
import { UnusableFiles } from '../files/stores.ts';
import type { Log } from '../log.ts';
import type { ProxySettings } from '../proxy-settings.ts';
import { codeOf } from '../state/system-error.ts';

/**
 * How the agent gets to its control plane.
 *
 * @throws LinkError `proxy.bad_url`, AgentError `usage.invalid` for a proxy.ca that cannot be used
 */
export async function routeToControlPlane({
  proxy,
  controlPlane: { address, tls },
}: Pick<AgentConfig, 'proxy' | 'controlPlane'>): Promise<Route> {
  return { ...(await routeThrough(proxy, tls)), address };
}

/**
 * The way of every outgoing link that has none of its own; TLS to the proxy keeps to `tls`, the policy of that link.
 *
 * @throws as `routeToControlPlane` does
 */
export async function routeThrough(proxy: ProxySettings, tls: TlsPolicy): Promise<Route> {
  const { url, password, noProxy } = proxy;
  if (url === undefined) return {};
  const parsed = parseProxy(url.reveal(), { password: password?.reveal(), tls });
  const ca = proxy.ca === undefined ? undefined : await readCa(proxy.ca);
  const credentials = parsed.credentials && (() => currentCredentials(parsed, url, password));
  return { proxy: { ...parsed, credentials, ca }, noProxy };
}

/**
 * What the files of the URL and of the password hold by now, so that a proxy may be given another password. What they
 * hold for another proxy is not for this one, which is gone through until the next start.
 */
async function currentCredentials(
  started: Proxy,
  url: Secret,
  password?: Secret,
): Promise<Credentials> {
  const now = parseProxy(await url.current(), { password: await password?.current() });
  const { credentials } = now.origin === started.origin ? now : started;
  return (await credentials?.()) ?? { user: '', password: '' };
}

/** What a listener between this host and the proxy could read. */
export function warnOfPlainCredentials({ proxy }: Route, log: Log): void {
  if (proxy?.credentials === undefined || proxy.kind === 'https') return;
  log.warn(
    {},
    'the user name and password of proxy.url go to the proxy unencrypted; use its https:// address if it has one',
  );
}

async function readCa(path: NonNullable<ProxySettings['ca']>): Promise<string> {
  const pem = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unusableCa(codeOf(cause) ?? 'unknown reason', cause);
  });
  if (holdsCertificates(pem)) return pem;
  throw unusableCa('not PEM, or damaged');
}

function unusableCa(why: string, cause?: unknown): UnusableFiles {
  return new UnusableFiles(`the file of proxy.ca holds no certificate that can be read (${why})`, {
    advice: 'make it the PEM file of the CA that the proxy’s certificate is from',
    cause,
  });
}
