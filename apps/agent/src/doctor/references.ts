import { constants } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import type { AgentConfig } from '../config.ts';
import { silentLog } from '../log.ts';
import { readCredential } from '../references/credential.ts';
import { Providers } from '../references/providers.ts';
import { parseReference } from '../references/reference.ts';
import { inspect, mayUse, neither, storesOf, type NamedFile } from './files.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';

type Settings = AgentConfig['references'];

/** What references are resolved by: its files, directories, commands and variables. No provider is asked. */
export async function references({ config, env }: Host): Promise<Found[]> {
  const { references: settings, proxy, tokenReference } = config;
  const found = await Promise.all([
    ...providerFiles(settings).map(inspect),
    ...settings.file.directories.map(directory),
    ...Object.entries(settings.exec.commands).map(([name, { argv }]) => command(name, argv[0])),
    ...settings.env.names.map((name) => variable(name, env[name])),
  ]);
  if (tokenReference !== undefined) {
    const { scheme } = parseReference(tokenReference, 'tokenReference');
    const providers = new Providers({ settings, proxy, env, clock: systemClock, log: silentLog });
    if (!providers.isSetUp(scheme))
      found.push(
        failed(
          `tokenReference is of ${scheme}://, which is not set up`,
          'set it up in references, or set tokenFile in its place',
        ),
      );
  }
  return found.length === 0 ? [ok('none is set up')] : found;
}

function providerFiles({ vault, awsSm, azureKv, k8s }: Settings): NamedFile[] {
  const stores = Object.entries({ vault, awsSm, azureKv, k8s }).flatMap(([key, block]) =>
    block === undefined
      ? []
      : storesOf(`references.${key}`, { ...neither, ...block }, 'clientAuth'),
  );
  const credentials: Record<string, string | undefined> = {
    'vault.tokenFile': vault?.auth === 'token' ? vault.tokenFile : undefined,
    'vault.secretIdFile': vault?.auth === 'approle' ? vault.secretIdFile : undefined,
    'vault.serviceAccountTokenFile':
      vault?.auth === 'kubernetes' ? vault.serviceAccountTokenFile : undefined,
    'azureKv.clientSecretFile':
      azureKv?.auth === 'client-secret' ? azureKv.clientSecretFile : undefined,
    'azureKv.federatedTokenFile':
      azureKv?.auth === 'workload-identity' ? azureKv.federatedTokenFile : undefined,
    'k8s.tokenFile': k8s?.tokenFile,
  };
  const shown = Object.entries(credentials).map(([key, path]) => ({
    key: `references.${key}`,
    path,
    read: readCredential,
  }));
  return [...stores, ...shown].flatMap(({ key, path, read }) =>
    path === undefined ? [] : [{ key, path, read: () => read(path) }],
  );
}

async function directory(path: string): Promise<Found> {
  return mayUse(path, constants.R_OK | constants.X_OK, 'references.file.directories');
}

async function command(name: string, program = ''): Promise<Found> {
  return mayUse(program, constants.X_OK, `references.exec.commands.${name}`);
}

/** The agent may have been started with others. */
async function variable(name: string, value: string | undefined): Promise<Found> {
  if (value !== undefined) return ok(`${name}, of references.env.names, is set here`);
  return warning(`${name} is not set here`, 'set it where the agent is started');
}
