import type { z } from 'zod';
import { systemClock, type Clock } from '../../src/clock.ts';
import { agentConfig } from '../../src/config.ts';
import { silentLog, type Log } from '../../src/log.ts';
import { GuardedProviders } from '../../src/references/guarded-providers.ts';
import { Providers } from '../../src/references/providers.ts';
import { parseReference } from '../../src/references/reference.ts';
import type { Subject } from './subjects.ts';

type Options = {
  log?: Log;
  clock?: Pick<Clock, 'now' | 'monotonic'>;
  timeoutSeconds?: number;
  proxy?: z.input<typeof agentConfig>['proxy'];
};

/** A subject’s provider as the agent has it, without what holds values: each read asks. */
export class Guarded implements AsyncDisposable {
  readonly providers: GuardedProviders;
  readonly #restore: () => void;

  constructor(
    { settings, env }: Pick<Subject, 'settings' | 'env'>,
    { log = silentLog, clock = systemClock, proxy: through, ...more }: Options = {},
  ) {
    const { references, proxy } = agentConfig.parse({
      references: { ...settings, ...more },
      proxy: through,
    });
    // The SDK of AWS looks nowhere else.
    this.#restore = withEnvironment({ ...env, AWS_EC2_METADATA_DISABLED: 'true' });
    const all = new Providers({ settings: references, proxy, env, clock, log });
    const { timeoutSeconds } = references;
    const random = () => 0;
    const parts = { providers: all, timeoutSeconds, clock, random, log };
    this.providers = new GuardedProviders(parts);
  }

  async read(uri: string): Promise<string> {
    const reference = parseReference(uri, 'the secret');
    return (await this.providers.resolveAnyway(reference)).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#restore();
    await this.providers.stop();
  }
}

/** Sets variables of this process, and returns what sets them back. */
export function withEnvironment(env: Readonly<Record<string, string | undefined>>): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
