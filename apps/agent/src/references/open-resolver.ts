import type { Environment } from '@sallyport/config/load';
import { systemClock } from '../clock.ts';
import type { AgentConfig } from '../config.ts';
import type { Freshness } from '../freshness.ts';
import type { KeyMemory } from '../host/key-memory.ts';
import type { Log } from '../log.ts';
import { GuardedProviders } from './guarded-providers.ts';
import { Providers } from './providers.ts';
import { Resolver } from './resolver.ts';

/** Everything that finds what references lead to, as it is set up on this host. Nothing is asked by that. */
export function openResolver(
  { references: settings, proxy }: Pick<AgentConfig, 'references' | 'proxy'>,
  { env, ...kept }: { env: Environment; freshness: Freshness; keyMemory: KeyMemory; log: Log },
): Resolver {
  const clock = systemClock;
  const { timeoutSeconds } = settings;
  const { log } = kept;
  const parts = { clock, log, random: Math.random };
  const all = new Providers({ settings, proxy, env, clock, log });
  const providers = new GuardedProviders({ ...parts, providers: all, timeoutSeconds });
  return new Resolver({ ...kept, ...parts, providers, settings });
}
