import { isUtf8 } from 'node:buffer';
import { MAX_SECRET_BYTES } from '@sallyport/contract';
import type { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { Circuit, type Failing } from './circuit.ts';
import { inTime } from './in-time.ts';
import { unreachable, unusable } from './provider.ts';
import type { Providers } from './providers.ts';
import { referenceFault } from './reference-fault.ts';
import type { Reference, Scheme } from './reference.ts';

/** A disk that hangs holds a thread for each read: two of Node's four are left for the rest. */
const AT_ONCE: Record<Scheme, number> = {
  vault: 8,
  'aws-sm': 8,
  'azure-kv': 8,
  k8s: 8,
  file: 2,
  env: 8,
  exec: 4,
};

export type GuardParts = {
  providers: Pick<Providers, 'isSetUp' | 'resolve' | 'close'>;
  timeoutSeconds: number;
  clock: Pick<Clock, 'now' | 'monotonic'>;
  random: () => number;
  log: Log;
};

/** What is known of a provider that was asked. `hits` are reads that it was not asked for. */
export type ProviderState = {
  scheme: Scheme;
  calls: number;
  failures: number;
  hits: number;
  failing: { sinceMs: number; code: string; message: string } | undefined;
};

type Watched = Omit<ProviderState, 'failing'> & { circuit: Circuit };

/** The providers, each asked in time, and not while it is to be left alone; and what came of it. */
export class GuardedProviders {
  readonly #parts: GuardParts;
  readonly #watched = new Map<Scheme, Watched>();
  readonly #stopping = new AbortController();

  constructor(parts: GuardParts) {
    this.#parts = parts;
  }

  /** The value that is there now; the caller zeroes it. @throws AgentError `reference.*`, `agent.busy` */
  async resolve(reference: Reference): Promise<Buffer> {
    const { scheme } = reference;
    if (!this.#parts.providers.isSetUp(scheme)) return this.resolveAnyway(reference);
    const watched = this.#watch(scheme);
    const signal = this.#deadline();
    let isAsked = false;
    const call = async (): Promise<Buffer> => {
      isAsked = true;
      watched.calls += 1;
      return this.#ask(reference, signal);
    };
    try {
      return await watched.circuit.run(call, signal);
    } catch (error) {
      if (isAsked) watched.failures += 1;
      throw error;
    }
  }

  /** Also while the provider is left alone: for what the agent itself needs. @throws AgentError `reference.*` */
  async resolveAnyway(reference: Reference): Promise<Buffer> {
    const signal = this.#deadline();
    const { first } = await inTime(() => this.#ask(reference, signal), signal);
    if (first === undefined) throw this.#late(reference.scheme);
    return first;
  }

  /** A value of it was served without asking. */
  hit(scheme: Scheme): void {
    this.#watch(scheme).hits += 1;
  }

  /** Every provider that was asked. */
  states(): ProviderState[] {
    return [...this.#watched.values()].map(({ circuit, ...counts }) => {
      const { failing } = circuit;
      if (failing === undefined) return { ...counts, failing };
      const { code, message } = failing.error;
      return { ...counts, failing: { sinceMs: failing.sinceMs, code, message } };
    });
  }

  /** Gives up what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#parts.providers.close();
  }

  async #ask(reference: Reference, signal: AbortSignal): Promise<Buffer> {
    try {
      return usable(await this.#parts.providers.resolve(reference, signal));
    } catch (error) {
      throw referenceFault(error);
    }
  }

  #deadline(): AbortSignal {
    const timeout = AbortSignal.timeout(this.#parts.timeoutSeconds * 1000);
    return AbortSignal.any([this.#stopping.signal, timeout]);
  }

  #late(scheme: Scheme): AgentError {
    return unreachable(`${scheme}:// did not answer within ${this.#parts.timeoutSeconds} s`);
  }

  #watch(scheme: Scheme): Watched {
    let watched = this.#watched.get(scheme);
    if (watched === undefined) {
      const { clock, random } = this.#parts;
      const circuit = new Circuit({
        clock,
        random,
        atOnce: AT_ONCE[scheme],
        late: () => this.#late(scheme),
        onChange: (failing) => this.#tell(scheme, failing),
      });
      watched = { scheme, calls: 0, failures: 0, hits: 0, circuit };
      this.#watched.set(scheme, watched);
    }
    return watched;
  }

  #tell(scheme: Scheme, failing: Failing | undefined): void {
    // What is given up then says nothing.
    if (this.#stopping.signal.aborted) return;
    const provider = `${scheme}://`;
    if (failing === undefined) {
      this.#parts.log.info({ provider }, 'the provider of references answers again');
      return;
    }
    const { code, message: detail } = failing.error;
    this.#parts.log.warn({ provider, code, detail }, 'the provider of references fails');
  }
}

/** The value itself, where it is one; otherwise it is zeroed. */
function usable(value: Buffer): Buffer {
  // As of every secret. A file that is written in place is empty for a moment.
  if (value.byteLength === 0)
    throw unusable('what the secret refers to is empty', 'write its value there');
  const isText = isUtf8(value);
  if (isText && value.byteLength <= MAX_SECRET_BYTES) return value;
  value.fill(0);
  throw isText
    ? unusable(`what the secret refers to has more than ${MAX_SECRET_BYTES} bytes`)
    : unusable('what the secret refers to is no UTF-8 text');
}
