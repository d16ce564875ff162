import { access, constants } from 'node:fs/promises';
import { openOwnStores } from '../link/own-stores.ts';
import { routeToControlPlane } from '../link/route.ts';
import { readTokenFile } from '../link/token-file.ts';
import { codeOf } from '../state/system-error.ts';
import { failed, foundOf, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

const neither = { keystore: { type: 'auto' }, truststore: { type: 'auto' } } as const;

type File = { key: string; path: string; read: () => Promise<unknown> };

const unset = { type: 'auto' } as const;

/** Every file that the configuration has the agent read. */
export async function files(host: Host): Promise<Found[]> {
  const { controlPlane, listen, proxy, tokenFile } = host.config;
  const named = [
    {
      key: 'controlPlane.keystore.file',
      path: controlPlane.keystore.file,
      read: () => openOwnStores({ controlPlane: { ...controlPlane, truststore: unset } }),
    },
    {
      key: 'controlPlane.truststore.file',
      path: controlPlane.truststore.file,
      read: () => openOwnStores({ controlPlane: { ...controlPlane, keystore: unset } }),
    },
    { key: 'proxy.ca', path: proxy.ca, read: () => routeToControlPlane(host.config) },
    { key: 'tokenFile', path: tokenFile, read: readTokenFile },
    ...(['keystore', 'truststore'] as const).map((kind) => ({
      key: `listen.${kind}.file`,
      path: listen[kind].file,
      read: async () =>
        (await import('../link/listen.ts')).openStores({ ...neither, [kind]: listen[kind] }),
    })),
  ];
  const set = named.flatMap(({ key, path, read }): File[] =>
    path === undefined ? [] : [{ key, path, read: () => read(path) }],
  );
  if (set.length === 0) return [ok('none is set')];
  return Promise.all(set.map(inspect));
}

/** Missing is told apart from what cannot be used, whoever reads it. */
async function inspect({ key, path, read }: File): Promise<Found> {
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

/** Every file that the configuration has the agent write. */
export async function certificateFiles(host: Host): Promise<Found[]> {
  const { certificateFiles: kept } = host.config;
  if (kept.length === 0) return [ok('none is set')];
  return Promise.all(
    kept.map(async ({ file, certificate }) => {
      try {
        await access(file);
        return ok(`${file}, certificate ${certificate}, is there`);
      } catch {
        return warning(
          `${file} is missing`,
          `the running agent writes it once its group has the certificate ${certificate}; sallyport-agent status says what keeps it`,
        );
      }
    }),
  );
}
