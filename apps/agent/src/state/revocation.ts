import { open } from 'node:fs/promises';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import type { Identity } from './identity.ts';
import { Quarantine } from './quarantine.ts';
import type { StateDirectory } from './state-directory.ts';
import { codeOf } from './system-error.ts';

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
 * is finished by the next `assertNotRevoked`.
 */
export async function wipeState(
  state: StateDirectory,
  identity: Identity,
  nowMs: number,
): Promise<void> {
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
  await removeEverything(state);
  throw new AgentError(
    'agent.revoked',
    `the agent in ${state.path} was revoked${describe(bytes)}`,
    {
      advice: 'enrol again with a new enrollment token',
    },
  );
}

/** Makes room for another identity: nothing of the old one is left but what `identity.json` holds. */
export async function forgetBundles(state: StateDirectory): Promise<void> {
  await state.remove('bundle.json');
  await state.remove('high-water.json');
  await new Quarantine(state.path).clear();
}

async function removeEverything(state: StateDirectory): Promise<void> {
  await overwrite(state.join('identity.json'));
  await state.remove('identity.json');
  await state.remove('identity.pending.json');
  await forgetBundles(state);
}

/** Private keys are overwritten before they are unlinked, as far as the file system lets that count. */
async function overwrite(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    try {
      await file.write(Buffer.alloc((await file.stat()).size), 0);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function describe(bytes: Buffer): string {
  const parsed = marker.safeParse(JSON.parse(bytes.toString('utf8')));
  return parsed.success ? ` at ${parsed.data.revokedAt}` : '';
}
