import type { OfflineBundle } from '@sallyport/contract';
import type { VerificationKeyring } from '@sallyport/crypto/bundle';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { openDeliveryKey, type DeliveryKey } from '@sallyport/crypto/delivery-key';
import type { EncryptionKey } from '@sallyport/crypto/encryption-key';
import { openOfflineBundle, type TrustedSigner } from '@sallyport/crypto/offline-bundle';
import { importVerificationKey } from '@sallyport/crypto/signing-key';
import { AgentError } from '../agent-error.ts';
import type { Identity } from '../state/identity.ts';
import { asRefusal, openBundle, zeroBundle } from '../sync/open-bundle.ts';

/** The agent that a bundle must be for; one that has no identity yet is told by its key alone. */
export type Addressee = {
  identity: Pick<Identity, 'agentId' | 'group'> | undefined;
  encryptionKey: Pick<EncryptionKey, 'privateKey'>;
};

/** What must not be undercut: the newest revision that ran, the newest bundle that was imported, and the time. */
export type Bounds = { revision: number; issuedAtMs: number; nowMs: number };

/** A bundle that is good as a whole, of which nothing has been taken yet. */
export type VerifiedBundle = { bundle: OfflineBundle; issuedAtMs: number; expiresAtMs: number };

/**
 * Verifies a bundle that was carried here, down to its last value, and leaves everything as it is.
 *
 * @throws AgentError `bundle.wrong_agent`, `bundle.wrong_group`, `bundle.expired`, `bundle.older`,
 * `bundle.incomplete`, and `bundle.*` of what is not as the control plane signed it
 */
export async function verifyBundle(
  jws: Buffer,
  trusted: TrustedSigner,
  addressee: Addressee,
  bounds: Bounds,
): Promise<VerifiedBundle> {
  const bundle = await asRefusal(async () => openOfflineBundle(jws, trusted));
  assertOwn(bundle, addressee.identity);
  const issuedAtMs = Date.parse(bundle.issuedAt);
  const expiresAtMs = Date.parse(bundle.expiresAt);
  assertTimely(bundle, { issuedAtMs, expiresAtMs }, bounds);
  const delivery = await deliveryKeyOf(bundle, addressee);
  const keyring = typeof trusted === 'string' ? keyringOf(bundle) : trusted;
  await asRefusal(async () => assertOpens(bundle, delivery, keyring));
  return { bundle, issuedAtMs, expiresAtMs };
}

/** The keys that a bundle names, once it is known who signed it. */
function keyringOf({ verificationKeys }: OfflineBundle): VerificationKeyring {
  return new Map(verificationKeys.keys.map(({ kid, ...jwk }) => [kid, importVerificationKey(jwk)]));
}

function assertOwn(bundle: OfflineBundle, identity: Addressee['identity']): void {
  if (identity === undefined) return;
  if (bundle.agentId !== identity.agentId) throw wrongAgent();
  if (bundle.group.id !== identity.group.id)
    throw new AgentError(
      'bundle.wrong_group',
      `the bundle is of the group ${bundle.group.name}, and this agent is in ${identity.group.name}`,
      { advice: 'make another request with --force, and have it admitted to the other group' },
    );
}

function assertTimely(
  bundle: OfflineBundle,
  { issuedAtMs, expiresAtMs }: Omit<VerifiedBundle, 'bundle'>,
  bounds: Bounds,
): void {
  if (expiresAtMs <= bounds.nowMs)
    throw new AgentError('bundle.expired', `the bundle expired at ${bundle.expiresAt}`, {
      advice: 'have another one exported, and see that this host’s clock is right',
    });
  if (issuedAtMs < bounds.issuedAtMs || bundle.revision < bounds.revision)
    throw new AgentError(
      'bundle.older',
      `the bundle is of revision ${bundle.revision}, issued at ${bundle.issuedAt}, and this agent has taken a newer one`,
      { advice: 'import the newest, or have another one exported' },
    );
}

async function deliveryKeyOf(
  { deliveryKey, group }: OfflineBundle,
  { encryptionKey }: Addressee,
): Promise<DeliveryKey> {
  try {
    return await openDeliveryKey(deliveryKey, encryptionKey.privateKey, group.id);
  } catch (error) {
    throw error instanceof CryptoError ? wrongAgent(error) : error;
  }
}

function assertOpens(
  { durable, revision, epoch }: OfflineBundle,
  delivery: DeliveryKey,
  keyring: VerificationKeyring,
): void {
  try {
    const opened = openBundle({ durable }, delivery, keyring);
    zeroBundle(opened);
    if (opened.revision !== revision || opened.epoch !== epoch)
      throw new AgentError('bundle.incomplete', 'the bundle holds another revision than it names');
  } finally {
    delivery.key.fill(0);
  }
}

function wrongAgent(cause?: unknown): AgentError {
  return new AgentError('bundle.wrong_agent', 'the bundle is for another agent', {
    advice: 'compare the id of the agent, and export the bundle for that one',
    cause,
  });
}
