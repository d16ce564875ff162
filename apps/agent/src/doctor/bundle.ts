import { ValueCache } from '../cache/value-cache.ts';
import { readIncoming } from '../offline/bundle-file.ts';
import { boundsOf } from '../offline/import-bundle.ts';
import { verifyBundle } from '../offline/verify-bundle.ts';
import { parseStoredBundle } from '../state/durable-store.ts';
import { decodeHighWater } from '../state/high-water.ts';
import type { Identity } from '../state/identity.ts';
import type { StateView } from '../state/state-directory.ts';
import { Replica } from '../sync/replica.ts';
import { failed, ok, warning, type Found } from './finding.ts';
import type { Host } from './host.ts';
import { reportedHealth } from './reported-health.ts';

/** What an offline start would serve: there, openable by this agent, none older than what has run, and not too old. */
export async function durableBundle(host: Host): Promise<Found> {
  const identity = await host.identity();
  const state = await host.state();
  const stored = await state.read('bundle.json');
  if (stored === undefined) return waiting(host, state, identity);
  const bytes = await state.read('high-water.json');
  const mark = bytes && decodeHighWater(bytes, identity.highWaterKey);
  if (mark === undefined)
    return failed(
      `${state.join('high-water.json')} does not vouch for the bundle, which the agent will fetch again`,
      'find out who changed it',
    );
  const replica = new Replica(identity, new ValueCache(identity.group.id));
  try {
    replica.raiseFloor(mark.revision);
    const applied = await replica.restore(parseStoredBundle(stored));
    const found = judge(host, applied?.revision ?? mark.revision, mark.contactAtMs);
    return found.outcome === 'ok' ? ((await unkept(host, found.detail)) ?? found) : found;
  } finally {
    replica.wipe();
  }
}

/** Between an import and the run that takes it, only what was imported is there. */
async function waiting({ clock }: Host, state: StateView, identity: Identity): Promise<Found> {
  const imported = await readIncoming(state);
  if (imported === undefined)
    return warning(
      'there is none; this agent cannot start without its control plane',
      'it is kept with the first bundle that the running agent receives',
    );
  const bounds = await boundsOf(state, identity, clock.now());
  const addressee = { identity, encryptionKey: identity.encryptionKey };
  const { bundle } = await verifyBundle(imported, identity.verificationKeyring, addressee, bounds);
  return ok(
    `revision ${bundle.revision} was imported, good until ${bundle.expiresAt}; sallyport-agent run takes it`,
  );
}

/** An agent whose disk fails serves on from memory: what it would start with falls behind. */
async function unkept(host: Host, detail: string): Promise<Found | undefined> {
  const running = await reportedHealth(host);
  if (typeof running?.durable.error !== 'string') return undefined;
  return warning(
    `${detail}; the running agent could not keep it or what is newer (${running.durable.error})`,
    'see that the disk has room and works; the agent’s log names the file, and it tries again within five minutes',
  );
}

/** The time of the last contact is 0 until the first mark is kept. */
function judge({ config, clock }: Host, revision: number, contactAtMs: number): Found {
  if (contactAtMs === 0) return ok(`revision ${revision} can be opened`);
  const seconds = Math.max(0, Math.round((clock.now() - contactAtMs) / 1000));
  const detail = `revision ${revision} can be opened; confirmed ${seconds} s ago`;
  const { maxStaleSeconds } = config;
  if (maxStaleSeconds === undefined) return ok(`${detail}, and maxStaleSeconds is not set`);
  if (seconds <= maxStaleSeconds)
    return ok(`${detail}, of ${maxStaleSeconds} s that it may be old`);
  return failed(
    `${detail}, and maxStaleSeconds is ${maxStaleSeconds}`,
    'the agent serves nothing until it reaches its control plane',
  );
}
