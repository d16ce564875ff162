import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import { forgetEvents } from '../events/event-spool.ts';
import { agentIdIn, type Identity } from './identity.ts';
import { Quarantine } from './quarantine.ts';
import type { StateDirectory } from './state-directory.ts';

/** Of an agent that was revoked while it runs: until it ends, nobody else may use its directory. */
export const ENROL_ANEW =
  'stop the agent, enrol it again with a new enrollment token, and start it';

/** `revoked.json`: what was here, and when the control plane took it back. */
const marker = z.strictObject({
  format: z.literal(1),
  agentId: z.string(),
  group: z.string(),
  controlPlane: z.string(),
  revokedAt: z.iso.datetime(),
});

/**
 * Removes identity and bundles, and leaves a marker. The marker comes first, so that a crash on the way
 * is finished by the next `assertNotRevoked`. Every file is tried, whatever becomes of the others.
 *
 * @throws AgentError `state.unusable`; `identity.exists` when another agent is enrolled here by now,
 * whose files are left alone
 */
export async function wipeState(
  state: StateDirectory,
  identity: Identity,
  nowMs: number,
): Promise<void> {
  if (await isOfAnother(state, identity.agentId)) {
    throw new AgentError(
      'identity.exists',
      `another agent is enrolled in ${state.path} by now, and its files are left alone`,
    );
  }
  const { agentId, group, controlPlane } = identity;
  const revokedAt = new Date(nowMs).toISOString();
  const content = {
    format: 1,
    agentId,
    group: group.name,
    controlPlane,
    revokedAt,
  } satisfies z.infer<typeof marker>;
  try {
    await state.write('revoked.json', JSON.stringify(content));
  } finally {
    // A full disk takes no marker, and must not keep the keys for that.
    await removeEverything(state);
  }
}

/** @throws AgentError `agent.revoked` when the agent of this directory was revoked */
export async function assertNotRevoked(state: StateDirectory): Promise<void> {
  const bytes = await state.read('revoked.json');
  if (bytes === undefined) return;
  const revoked = parseMarker(bytes);
  if (revoked !== undefined && (await isOfAnother(state, revoked.agentId))) return;
  await removeEverything(state);
  const when = revoked === undefined ? '' : ` at ${revoked.revokedAt}`;
  throw new AgentError('agent.revoked', `the agent in ${state.path} was revoked${when}`, {
    advice: 'enrol again with a new enrollment token',
  });
}

/** Makes room for another identity: nothing of the old one is left but what `identity.json` holds. */
export async function forgetBundles(state: StateDirectory): Promise<void> {
  const removed = await Promise.allSettled([
    state.remove('bundle.json'),
    state.remove('generation.json'),
    state.remove('high-water.json'),
    state.remove('imported.json'),
    state.remove('incoming.bundle'),
    new Quarantine(state.path).clear(),
    forgetEvents(state.path),
  ]);
  throwFirst(removed);
}

async function removeEverything(state: StateDirectory): Promise<void> {
  const removed = await Promise.allSettled([
    state.destroy('identity.json'),
    state.destroy('identity.pending.json'),
    state.destroy('certificate.json'),
    state.remove('trust.json'),
    forgetBundles(state),
  ]);
  throwFirst(removed);
}

function throwFirst(outcomes: PromiseSettledResult<void>[]): void {
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function isOfAnother(state: StateDirectory, agentId: string): Promise<boolean> {
  const there = await agentIdIn(state);
  return there !== undefined && there !== agentId;
}

/** Undefined when it is damaged: that it is there says enough. */
function parseMarker(bytes: Buffer): z.infer<typeof marker> | undefined {
  try {
    return marker.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}
