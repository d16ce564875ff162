import type { Diagnosis } from '@sallyport/contract';
import type { ValueCache } from '../cache/value-cache.ts';
import type { Clock } from '../clock.ts';
import { hostFacts } from '../facts.ts';
import type { Link } from '../link/call.ts';
import type { ServerClock } from '../link/server-clock.ts';

export type DiagnosisParts = {
  cache: ValueCache;
  clock: Pick<Clock, 'monotonic'>;
  startedAtMs: number;
  serverClock: ServerClock;
  link: Pick<Link, 'tlsParameters'>;
  describeDisk: () => Promise<Diagnosis['disk']>;
};

/** Looks at the agent from within: host, clock, link, cache and disk. No names, no values. */
export async function diagnose(parts: DiagnosisParts): Promise<Diagnosis> {
  const offsetMs = parts.serverClock.offsetMs();
  const { revision = 0, epoch = 0 } = parts.cache.revision() ?? {};
  return {
    facts: hostFacts(),
    uptimeSeconds: (parts.clock.monotonic() - parts.startedAtMs) / 1000,
    clockOffsetMilliseconds: offsetMs === undefined ? null : Math.round(offsetMs),
    tls: tlsOf(parts.link),
    cache: { revision, epoch, ...parts.cache.size() },
    disk: await parts.describeDisk(),
  };
}

function tlsOf(link: Pick<Link, 'tlsParameters'>): Diagnosis['tls'] {
  const parameters = link.tlsParameters();
  if (parameters === undefined) return null;
  const { protocol, cipher, peerFingerprint } = parameters;
  return { protocol, cipher, peerFingerprint };
}
