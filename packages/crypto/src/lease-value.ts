import { CryptoError } from './crypto-error.ts';
import { openForAgent, sealForAgent } from './for-agent.ts';

const TYPE = 'sallyport-lease';
const UNREADABLE = {
  code: 'lease.unreadable',
  message: 'the lease’s value does not open with this agent’s key',
} as const;

/** Seals the value of one lease for the agent that holds it. */
export async function sealLeaseValue(
  lease: string,
  value: Uint8Array,
  recipient: CryptoKey,
): Promise<string> {
  return sealForAgent(value, recipient, { typ: TYPE, lease });
}

/**
 * Opens a lease's value with the agent's private key; the caller zeroes it.
 *
 * @throws CryptoError `lease.unreadable` when it is another agent's, another lease's or changed
 */
export async function openLeaseValue(
  jwe: string,
  privateKey: CryptoKey,
  lease: string,
): Promise<Uint8Array> {
  const { plaintext, protectedHeader } = await openForAgent(jwe, privateKey, UNREADABLE);
  if (protectedHeader.typ === TYPE && protectedHeader['lease'] === lease) return plaintext;
  plaintext.fill(0);
  throw new CryptoError(UNREADABLE.code, 'the value is of another lease');
}
