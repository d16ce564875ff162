import { AgentError } from '../agent-error.ts';
import type { HeldEntry, ValueCache } from '../cache/value-cache.ts';
import type { ProviderState } from './guarded-providers.ts';
import type { Resolved, Resolver } from './resolver.ts';

/** The references that an agent holds, and what they lead to; without a resolver nowhere. */
export class HeldReferences {
  readonly #cache: Pick<ValueCache, 'find' | 'open'>;
  readonly #resolver: Resolver | undefined;
  readonly #listeners = new Set<(reference: HeldEntry) => void>();

  constructor(cache: Pick<ValueCache, 'find' | 'open'>, resolver: Resolver | undefined) {
    this.#cache = cache;
    this.#resolver = resolver;
    if (resolver === undefined) return;
    resolver.onChanged = (reference) => {
      for (const listener of this.#listeners) listener(reference);
    };
  }

  /** The value that a reference leads to. @throws AgentError as `Resolver.resolve` does */
  async resolve(reference: HeldEntry): Promise<Resolved> {
    if (this.#resolver !== undefined)
      return this.#resolver.resolve(reference, () => this.#cache.open(reference));
    throw new AgentError('reference.not_configured', 'this agent resolves no references');
  }

  /** Of everything that was asked for what references lead to. */
  providers(): ProviderState[] {
    return this.#resolver?.states() ?? [];
  }

  /** Calls `listener` when one leads to another value than before, by whomever it was asked for. Returns what ends that. */
  onChanged(listener: (reference: HeldEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks again for those that programs have asked for before, once the time of each is over, if it is watched by its name. */
  async lookAgain(isWatched: (name: string) => boolean): Promise<void> {
    await this.#resolver?.lookAgain(
      (name) => (isWatched(name) ? this.#cache.find('reference', name) : undefined),
      (reference) => this.#cache.open(reference),
    );
  }
}
