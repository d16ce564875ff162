import type { OfflineBundle } from '@sallyport/contract';
import type { VerificationKeyring } from '@sallyport/crypto/bundle';
import { importEncryptionKey } from '@sallyport/crypto/encryption-key';
import { openOfflineBundle } from '@sallyport/crypto/offline-bundle';
import { areCertificates } from '@sallyport/tls/certificates-in-pem';
import { AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { keepIdentity } from '../link/enroll.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { decodeHighWater } from '../state/high-water.ts';
import { loadIdentity, noIdentity, type Identity, type PrivateKeys } from '../state/identity.ts';
import { readImportedMark } from '../state/imported-mark.ts';
import { isLocked } from '../state/lock.ts';
import { StateDirectory, type StateView } from '../state/state-directory.ts';
import { unusable } from '../state/system-error.ts';
import { requestedKeys } from './admission-request.ts';
import { readIncoming } from './bundle-file.ts';
import { verifyBundle, type Bounds } from './verify-bundle.ts';

export type Import = {
  stateDir: string;
  jws: Buffer;
  /** The thumbprint that a person has compared; needed where no identity knows the control plane yet. */
  signer: string | undefined;
  clock: Pick<Clock, 'now'>;
};

/** What was verified and now waits for the daemon. `isRunning`: one has the directory open. */
export type Imported = { bundle: OfflineBundle; isFirst: boolean; isRunning: boolean };

/**
 * Verifies a bundle and leaves it in the state directory, where the daemon takes it. The first one makes the agent,
 * of the keys that it asked with.
 *
 * @throws AgentError `bundle.*`, `usage.invalid` without the signer that the first needs, `identity.missing`,
 * `state.*`, of which `state.in_use` where a running agent would be replaced
 */
export async function importBundle(given: Import): Promise<Imported> {
  const view = await StateDirectory.view(given.stateDir);
  if (view === undefined) throw noIdentity(given.stateDir);
  const keys = await keysOfFirst(view, given);
  if (keys === undefined) {
    const isRunning = isLocked(view.path);
    return { ...(await importNext(view, given)), isRunning };
  }
  using state = await StateDirectory.open(given.stateDir);
  return { ...(await importFirst(state, keys, given)), isRunning: false };
}

/** The keys that an agent is to be made of; undefined where the bundle is for the one that is there. */
async function keysOfFirst(
  state: StateView,
  { signer }: Pick<Import, 'signer'>,
): Promise<PrivateKeys | undefined> {
  const isEnrolled = (await state.read('identity.json')) !== undefined;
  // A request that was made to replace an agent leaves it as it is until it is answered, which takes a signer.
  return isEnrolled && signer === undefined ? undefined : requestedKeys(state);
}

async function importFirst(
  state: StateDirectory,
  keys: PrivateKeys,
  { jws, signer, clock }: Import,
): Promise<Omit<Imported, 'isRunning'>> {
  if (signer === undefined)
    throw new AgentError('usage.invalid', 'it must be said who may sign this agent’s bundles', {
      advice: 'give --signer with the thumbprint that the export printed, compared by another way',
    });
  const encryptionKey = await importEncryptionKey(keys.encryptionKey);
  const bounds = { revision: 0, issuedAtMs: 0, nowMs: clock.now() };
  const addressee = { identity: undefined, encryptionKey };
  const { bundle } = await verifyBundle(jws, signer, addressee, bounds);
  const { agentId, name, group, controlPlane, trustAnchors, verificationKeys } = bundle;
  if (!areCertificates(trustAnchors))
    throw new AgentError('bundle.incomplete', 'the bundle names CAs that are no certificates', {
      advice: 'have another one exported',
    });
  const identity = { agentId, name, group, controlPlane, trustAnchors, verificationKeys, ...keys };
  await keepIdentity(state, { format: 1, ...identity }, undefined);
  // After a crash before this, the same import goes on by the identity that is there.
  await leaveForDaemon(state, jws);
  return { bundle, isFirst: true };
}

async function importNext(
  state: StateView,
  { jws, signer, clock }: Import,
): Promise<Omit<Imported, 'isRunning'>> {
  const identity = await loadIdentity(state);
  if (signer !== undefined) openOfflineBundle(jws, signer);
  const { encryptionKey, verificationKeyring } = identity;
  const bounds = await boundsOf(state, identity, clock.now());
  const { bundle } = await verifyBundle(
    jws,
    verificationKeyring,
    { identity, encryptionKey },
    bounds,
  );
  await leaveForDaemon(state, jws);
  return { bundle, isFirst: false };
}

/** What a bundle that is brought has to be newer than, and not past. */
export async function boundsOf(
  state: StateView,
  { highWaterKey, verificationKeyring }: Identity,
  nowMs: number,
): Promise<Bounds> {
  const found = await readImportedMark(state, highWaterKey);
  const mark = found === 'forged' ? undefined : found;
  const highWater = await state.read('high-water.json');
  const waiting = await readIncoming(state);
  return {
    revision: (highWater && decodeHighWater(highWater, highWaterKey)?.revision) ?? 0,
    issuedAtMs: Math.max(mark?.issuedAtMs ?? 0, issuedAtOf(waiting, verificationKeyring)),
    nowMs: Math.max(nowMs, mark?.newestMs ?? 0),
  };
}

/** Of what the daemon has not taken yet; 0 for what it will not take. */
function issuedAtOf(waiting: Buffer | undefined, keyring: VerificationKeyring): number {
  try {
    return waiting === undefined ? 0 : Date.parse(openOfflineBundle(waiting, keyring).issuedAt);
  } catch {
    return 0;
  }
}

/** Without the lock, which the daemon has: it takes the file as a whole or not at all, and verifies it again. */
async function leaveForDaemon(state: Pick<StateView, 'join'>, jws: Buffer): Promise<void> {
  const path = state.join('incoming.bundle');
  try {
    await writeFileAtomically(path, jws, { temporary: `${path}.${process.pid}.tmp` });
  } catch (error) {
    throw unusable(path, error);
  }
}
