import type { Environment } from '@sallyport/config/load';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { routeThrough } from '../link/route.ts';
import type { Log } from '../log.ts';
import type { ProxySettings } from '../proxy-settings.ts';
import type { Provider } from './provider.ts';
import type { Reference, ReferenceOf, Scheme } from './reference.ts';
import type { ReferenceSettings } from './settings.ts';

type ProvidersParts = {
  settings: ReferenceSettings;
  /** Of every link that goes out. */
  proxy: ProxySettings;
  /** The agent's own environment. */
  env: Environment;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  log: Log;
};

/** What is set up; a provider is loaded by the first reference that needs it. */
type Table = { [Each in Scheme]?: (() => Promise<Provider<Each>>) | undefined };
type Closable = { close?(): void | Promise<void> };

/**
 * The providers of this host. What is not set up resolves nothing: who may write secrets in the control plane gets at
 * no file, command or vault of the host by that.
 */
export class Providers {
  readonly #table: Table;
  readonly #loaded = new Set<Promise<Closable>>();

  constructor(parts: ProvidersParts) {
    this.#table = tableOf(parts, (load) => {
      let loading: ReturnType<typeof load> | undefined;
      return () => {
        if (loading !== undefined) return loading;
        const begun = load().catch((error: unknown) => {
          // What kept it from being loaded may be mended.
          loading = undefined;
          this.#loaded.delete(begun);
          throw error;
        });
        this.#loaded.add(begun);
        return (loading = begun);
      };
    });
  }

  isSetUp(scheme: Scheme): boolean {
    return this.#table[scheme] !== undefined;
  }

  /** The value that is there now; the caller zeroes it. @throws AgentError `reference.*`, and what a provider throws */
  async resolve(reference: Reference, signal: AbortSignal): Promise<Buffer> {
    return this.#resolveBy(reference.scheme, reference, signal);
  }

  async close(): Promise<void> {
    const loaded = await Promise.allSettled(this.#loaded);
    await Promise.all(
      loaded.map(async (each) => {
        if (each.status === 'fulfilled') await each.value.close?.();
      }),
    );
  }

  async #resolveBy<Each extends Scheme>(
    scheme: Each,
    reference: ReferenceOf<Each>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const load: Table[Each] = this.#table[scheme];
    if (load === undefined) throw notSetUp(scheme);
    const provider = await load();
    return provider.resolve(reference, signal);
  }
}

/** `once` keeps what a function made when it is called again. */
function tableOf(
  { settings, proxy, env, clock, log }: ProvidersParts,
  once: <Each extends Scheme>(load: () => Promise<Provider<Each>>) => () => Promise<Provider<Each>>,
): Table {
  const { vault, awsSm, azureKv, k8s, file, exec } = settings;
  const { names } = settings.env;
  const context = {
    route: () => routeThrough(proxy, settings.tls),
    tls: settings.tls,
    log,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
  };
  return {
    vault:
      vault && once(async () => new (await import('./vault.ts')).VaultProvider(vault, context)),
    'aws-sm':
      awsSm && once(async () => new (await import('./aws-sm.ts')).AwsProvider(awsSm, context)),
    'azure-kv':
      azureKv &&
      once(async () => new (await import('./azure-kv.ts')).AzureProvider(azureKv, context)),
    k8s: k8s && once(async () => new (await import('./k8s.ts')).KubernetesProvider(k8s, context)),
    file:
      file.directories.length === 0
        ? undefined
        : once(async () => new (await import('./file.ts')).FileProvider(file.directories)),
    env:
      names.length === 0
        ? undefined
        : once(async () => new (await import('./env.ts')).EnvironmentProvider(names, env)),
    exec:
      Object.keys(exec.commands).length === 0
        ? undefined
        : once(async () => new (await import('./exec.ts')).CommandProvider(exec.commands)),
  };
}

function notSetUp(scheme: Scheme): AgentError {
  return new AgentError(
    'reference.not_configured',
    `the secret is a reference to ${scheme}://, which is not set up on this host`,
    { advice: 'set it up in references of this agent, or mend the reference' },
  );
}
