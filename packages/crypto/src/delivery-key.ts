import { randomBytes } from 'node:crypto';
import { CryptoError } from './crypto-error.ts';
import { KEY_BYTES } from './envelope.ts';
import { openForAgent, sealForAgent } from './for-agent.ts';

/** The key that wraps a group's bundles during one epoch; `epoch` starts at 1. */
export type DeliveryKey = { group: string; epoch: number; key: Uint8Array };

const TYPE = 'sallyport-delivery-key';

/** Makes the key of a new epoch. */
export function generateDeliveryKey(group: string, epoch: number): DeliveryKey {
  return { group, epoch, key: randomBytes(KEY_BYTES) };
}

/** Wraps a delivery key for one agent, as `sealForAgent` does. */
export async function sealDeliveryKey(
  { group, epoch, key }: DeliveryKey,
  recipient: CryptoKey,
): Promise<string> {
  return sealForAgent(key, recipient, { typ: TYPE, group, epoch });
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
  const { plaintext, protectedHeader } = await openForAgent(jwe, privateKey, {
    code: 'delivery_key.unreadable',
    message: 'the delivery key does not open with this agent’s key',
  });
  const { typ, group: namedGroup, epoch } = protectedHeader;
  const right = typ === TYPE && namedGroup === group && plaintext.byteLength === KEY_BYTES;
  if (!right || typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 1) {
    plaintext.fill(0);
    throw new CryptoError(
      'delivery_key.unreadable',
      'the delivery key is not one of this agent’s group',
    );
  }
  return { group, epoch, key: plaintext };
}
