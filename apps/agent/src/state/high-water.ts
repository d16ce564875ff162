import { hkdfSync } from 'node:crypto';
import { z } from 'zod';
import { isVouchedFor, jsonOf, vouchFor } from './vouched.ts';

/** The newest revision the agent ever kept, and its last word with the control plane (ms since the epoch). */
export type HighWater = { revision: number; contactAtMs: number };

const file = z.strictObject({
  format: z.literal(1),
  revision: z.int().min(0),
  contactAtMs: z.int().min(0),
  mac: z.base64url(),
});

const MAC_KEY_BYTES = 32;

/** The key that vouches for high-water files: HKDF-SHA256 (RFC 5869) of the agent's private signing key. */
export function deriveHighWaterKey(privateKey: Uint8Array, agentId: string): Buffer {
  return Buffer.from(
    hkdfSync('sha256', privateKey, agentId, 'sallyport-agent high-water 1', MAC_KEY_BYTES),
  );
}

export function encodeHighWater(mark: HighWater, key: Uint8Array): string {
  const { revision, contactAtMs } = mark;
  return JSON.stringify({ format: 1, revision, contactAtMs, mac: vouchFor(textOf(mark), key) });
}

/** Undefined when it is not one that this agent wrote. */
export function decodeHighWater(bytes: Buffer, key: Uint8Array): HighWater | undefined {
  const parsed = file.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  const { revision, contactAtMs, mac } = parsed.data;
  const mark = { revision, contactAtMs };
  return isVouchedFor(textOf(mark), mac, key) ? mark : undefined;
}

function textOf({ revision, contactAtMs }: HighWater): string {
  return `${revision}\n${contactAtMs}`;
}
