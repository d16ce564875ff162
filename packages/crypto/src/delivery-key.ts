import { randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { CryptoError } from './crypto-error.ts';
import { KEY_BYTES } from './envelope.ts';

/** The key that wraps a group's bundles during one epoch; `epoch` starts at 1. */
export type DeliveryKey = { group: string; epoch: number; key: Uint8Array };

const TYPE = 'sallyport-delivery-key';

/** Makes the key of a new epoch. */
export function generateDeliveryKey(group: string, epoch: number): DeliveryKey {
  return { group, epoch, key: randomBytes(KEY_BYTES) };
}

/** Wraps a delivery key for one agent: a compact JWE, ECDH-ES+A256KW to its X25519 key (RFC 7518, section 4.6). */
export async function sealDeliveryKey(
  delivery: DeliveryKey,
  recipient: CryptoKey,
): Promise<string> {
  return new CompactEncrypt(delivery.key)
    .setProtectedHeader({
      alg: 'ECDH-ES+A256KW',
      enc: 'A256GCM',
      typ: TYPE,
      group: delivery.group,
      epoch: delivery.epoch,
    })
    .encrypt(recipient);
}

/**
 * Opens a delivery key with the agent's private key.
 *
 * @throws CryptoError `delivery_key.unreadable` when it is another agent's, another group's or changed
 */
export async function openDeliveryKey(
  jwe: string,
  privateKey: CryptoKey,
  group: string,
): Promise<DeliveryKey> {
  const opened = await compactDecrypt(jwe, privateKey, {
    keyManagementAlgorithms: ['ECDH-ES+A256KW'],
    contentEncryptionAlgorithms: ['A256GCM'],
  }).catch((error: unknown) => {
    throw new CryptoError(
      'delivery_key.unreadable',
      'the delivery key does not open with this agent’s key',
      error,
    );
  });
  const { typ, group: namedGroup, epoch } = opened.protectedHeader;
  const right = typ === TYPE && namedGroup === group && opened.plaintext.byteLength === KEY_BYTES;
  if (!right || typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 1) {
    throw new CryptoError(
      'delivery_key.unreadable',
      'the delivery key is not one of this agent’s group',
    );
  }
  return { group, epoch, key: opened.plaintext };
}
