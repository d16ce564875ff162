import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { conventionalProxy } from '@sallyport/config/conventional-proxy';
import type { TlsPolicy } from '@sallyport/tls/policy';
import { parseProxy, proxyVariable } from '@sallyport/tls/proxy/proxy';
import type { Route } from '@sallyport/tls/route';
import { z } from 'zod';
import { readTlsPolicy } from './tls-settings.ts';

/** An empty variable counts as none. */
const variable = z
  .string()
  .optional()
  .transform((text) => (text === '' ? undefined : text));

/** The variables that the CLI reads, beside those of its TLS; every other one is ignored. */
export const variables = z.object({
  SALLYPORT_PASSWORD: variable.describe('The password of `login`'),
  SALLYPORT_PASSWORD_FILE: variable.describe('The path of a file that holds it'),
  SALLYPORT_CONFIG_DIR: variable.describe('Folder that the session is kept in'),
  XDG_CONFIG_HOME: variable.describe('Where the folder `sallyport` is instead, if it is absolute'),
  HTTPS_PROXY: variable.describe(
    'Proxy to the control plane, as [scheme://][user:password@]host:port; `https_proxy` means the same',
  ),
  NO_PROXY: variable.describe('What is reached without it; `no_proxy` means the same'),
});

export type Environment = {
  password: string | undefined;
  passwordFile: string | undefined;
  /** Where the session is kept. */
  configDirectory: string;
  /**
   * A function, so that what needs no link takes no harm from a wrong setting.
   *
   * @throws CliError `usage.invalid`, LinkError `proxy.bad_url`
   */
  way: () => Way;
};

/** How the control plane is reached: what the link may negotiate, and through which proxy. */
export type Way = { tls: TlsPolicy; route: Route };

export function readEnvironment(env: Record<string, string | undefined>): Environment {
  const read = variables.parse(env);
  return {
    password: read.SALLYPORT_PASSWORD,
    passwordFile: read.SALLYPORT_PASSWORD_FILE,
    configDirectory:
      read.SALLYPORT_CONFIG_DIR ?? join(configHome(read.XDG_CONFIG_HOME), 'sallyport'),
    way: () => readWay(env),
  };
}

function readWay(env: Record<string, string | undefined>): Way {
  const tls = readTlsPolicy(env);
  const conventional = conventionalProxy(env);
  if (conventional === undefined) return { tls, route: {} };
  const { url, noProxy } = conventional;
  return { tls, route: { proxy: parseProxy(url, { tls, settings: proxyVariable }), noProxy } };
}

/** A relative path is ignored, as the XDG base directory specification asks. */
function configHome(xdg: string | undefined): string {
  return xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.config');
}
