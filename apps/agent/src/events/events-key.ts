import { hkdfSync } from 'node:crypto';
import { KEY_BYTES } from '@sallyport/crypto/envelope';

/** The key that seals waiting audit events: HKDF-SHA256 (RFC 5869) of the agent's private signing key. */
export function deriveEventsKey(privateKey: Uint8Array, agentId: string): Buffer {
  return Buffer.from(
    hkdfSync('sha256', privateKey, agentId, 'sallyport-agent events 1', KEY_BYTES),
  );
}
