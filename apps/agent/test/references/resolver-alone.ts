import { createClock } from '@sallyport/testkit/clock';
import type { AgentError } from '../../src/agent-error.ts';
import type { HeldEntry } from '../../src/cache/value-cache.ts';
import { Freshness, type FreshnessSettings } from '../../src/freshness.ts';
import { KeyMemory } from '../../src/host/key-memory.ts';
import type { Log } from '../../src/log.ts';
import { GuardedProviders } from '../../src/references/guarded-providers.ts';
import { notThere } from '../../src/references/provider.ts';
import type { Reference } from '../../src/references/reference.ts';
import { Resolver } from '../../src/references/resolver.ts';

/** A provider in memory: it keeps values by command, counts calls, and fails when it is told to. */
class Source {
  readonly values = new Map<string, string>();
  calls = 0;
  running = 0;
  mostAtOnce = 0;
  fault: AgentError | undefined;
  /** Calls wait for it. */
  gate: Promise<void> | undefined;
  readonly given: Buffer[] = [];

  isSetUp(): boolean {
    return true;
  }

  async resolve(reference: Reference): Promise<Buffer> {
    this.calls += 1;
    this.running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    await this.gate;
    this.running -= 1;
    if (this.fault !== undefined) throw this.fault;
    const value = this.values.get(reference.scheme === 'exec' ? reference.command : '');
    if (value === undefined) throw notThere('nothing', 'write it');
    const buffer = Buffer.from(value);
    this.given.push(buffer);
    return buffer;
  }

  async close(): Promise<void> {}
}

type Settings = {
  cacheSeconds?: number;
  staleSeconds?: number;
  timeoutSeconds?: number;
  random?: () => number;
  freshness?: FreshnessSettings;
};

/** The resolver with a provider in memory, by a clock that stands still. */
export class ResolverAlone {
  readonly source = new Source();
  readonly clock = createClock();
  /** How much further the wall clock is. */
  pausedMs = 0;
  readonly log: string[] = [];
  readonly keyMemory = KeyMemory.ordinary();
  resolver: Resolver;

  constructor() {
    this.source.values.set('db', 'first');
    this.resolver = this.#open({});
  }

  /** Begins anew, with other settings. */
  reopen(settings: Settings): void {
    this.resolver = this.#open(settings);
  }

  /** The value of a secret whose reference leads to what has its name. */
  async read(name = 'db', etag?: string) {
    const entry = entryOf(name, etag);
    const resolved = await this.resolver.resolve(entry, () => Buffer.from(`exec://${name}`));
    const { ageSeconds, isStale } = resolved;
    const open = () => resolved.open().toString();
    return { code: 'none', value: open(), open, ageSeconds, isStale, etag: resolved.etag };
  }

  /** What is due is asked for again, as far as it is watched. Returns the names of what has changed. */
  async lookAgain(watched: (name: string) => boolean = () => true): Promise<string[]> {
    const changed: string[] = [];
    this.resolver.onChanged = ({ name }) => void changed.push(name);
    await this.resolver.lookAgain(
      (name) => (watched(name) ? entryOf(name) : undefined),
      ({ name }) => Buffer.from(`exec://${name}`),
    );
    return changed;
  }

  /** The same as `read`, or the error. */
  async tried(name?: string, etag?: string) {
    return this.read(name, etag).catch((error: AgentError) => error);
  }

  #open(settings: Settings): Resolver {
    const { cacheSeconds = 60, staleSeconds = 0, timeoutSeconds = 10, random = () => 1 } = settings;
    const freshness = new Freshness(settings.freshness ?? []);
    const clock = {
      now: () => this.clock.now() + this.pausedMs,
      monotonic: () => this.clock.now(),
    };
    const parts = { clock, log: logTo(this.log) };
    const providers = new GuardedProviders({
      ...parts,
      providers: this.source,
      timeoutSeconds,
      random,
    });
    const { keyMemory } = this;
    return new Resolver({
      ...parts,
      keyMemory,
      random,
      providers,
      settings: { cacheSeconds, staleSeconds },
      freshness,
    });
  }
}

function entryOf(name: string, etag = '"1-a"'): HeldEntry {
  return { kind: 'reference', name, version: 1, etag };
}

function logTo(lines: string[]): Log {
  const write: Log['info'] = (fields, message) =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { debug: write, info: write, warn: write, error: write };
}
