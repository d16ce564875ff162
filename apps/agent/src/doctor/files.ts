import { access, constants } from 'node:fs/promises';
import type { Usage } from '@sallyport/tls/peer-certificate';
import { CONFIG_FILE_VARIABLE } from '../config.ts';
import { openStores, type StoreBlocks } from '../files/stores.ts';
import { agentToken, readTokenFile } from '../files/token-file.ts';
import { routeToControlPlane } from '../link/route.ts';
import { HeaderToken } from '../local-api/header-token.ts';
import { codeOf } from '../state/system-error.ts';
import { failed, foundOf, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';
import { reportedHealth } from './reported-health.ts';

/** A file that some key names. */
export type NamedFile = { key: string; path: string; read: () => Promise<unknown> };

export const neither: StoreBlocks = { keystore: { type: 'auto' }, truststore: { type: 'auto' } };

/** Every file that the configuration has the agent read. */
export async function files(host: Host): Promise<Found[]> {
  const { controlPlane, listen, localApi, proxy, tokenFile } = host.config;
  const named = [
    ...storesOf('controlPlane', controlPlane, 'clientAuth'),
    { key: 'proxy.ca', path: proxy.ca, read: () => routeToControlPlane(host.config) },
    { key: 'tokenFile', path: tokenFile, read: (path: string) => readTokenFile(path, agentToken) },
    ...storesOf('listen', listen, 'serverAuth'),
    ...storesOf('localApi.tcp', localApi.tcp, 'serverAuth'),
    {
      key: 'localApi.tcp.tokenFile',
      path: localApi.tcp.tokenFile,
      read: (path: string) => HeaderToken.open(path),
    },
  ];
  const set = named.flatMap(({ key, path, read }): NamedFile[] =>
    path === undefined ? [] : [{ key, path, read: () => read(path) }],
  );
  if (set.length === 0) return [ok('none is set')];
  return Promise.all(set.map(inspect));
}

export function storesOf(block: string, blocks: StoreBlocks, usage: Usage) {
  return (['keystore', 'truststore'] as const).map((kind) => ({
    key: `${block}.${kind}.file`,
    path: blocks[kind].file,
    read: () => openStores(block, { ...neither, [kind]: blocks[kind] }, usage),
  }));
}

/** Missing is told apart from what cannot be used, whoever reads it. */
export async function inspect({ key, path, read }: NamedFile): Promise<Found> {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT';
    return isMissing
      ? failed(`${path} is missing`, `put the file of ${key} there, or take that key out`)
      : failed(
          `${path} cannot be read (${codeOf(error)})`,
          `let this user read the file of ${key}`,
        );
  }
  return read().then(() => ok(`${path}, of ${key}, can be used`), foundOf);
}

/** Whether this user may use what some key names so. */
export async function mayUse(path: string, mode: number, key: string): Promise<Found> {
  try {
    await access(path, mode);
    return ok(`${path}, of ${key}, can be used`);
  } catch (error) {
    const what = codeOf(error) === 'ENOENT' ? 'is missing' : 'cannot be used by this user';
    return failed(`${path} ${what}`, `mend it, or take it out of ${key}`);
  }
}

/** Every file that the configuration has the agent write. */
export async function certificateFiles(host: Host): Promise<Found[]> {
  const { certificateFiles: kept } = host.config;
  if (kept.length === 0) return [ok('none is set')];
  const running = await reportedHealth(host);
  return Promise.all(
    kept.map(async ({ file, certificate }) => {
      try {
        await access(file);
        return ok(`${file}, certificate ${certificate}, is there`);
      } catch {
        if (running?.files.every(({ path }) => path !== file) === true)
          return warning(
            `${file} is missing, and the running agent was started without it`,
            `start it again with this configuration: --config, or ${CONFIG_FILE_VARIABLE}`,
          );
        return warning(
          `${file} is missing`,
          `the running agent writes it once its group has the certificate ${certificate}; sallyport-agent status says what keeps it`,
        );
      }
    }),
  );
}
