import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

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
  return JSON.stringify({
    format: 1,
    revision,
    contactAtMs,
    mac: macOf(mark, key).toString('base64url'),
  });
}

/** Undefined when it is not one that this agent wrote. */
export function decodeHighWater(bytes: Buffer, key: Uint8Array): HighWater | undefined {
  const parsed = file.safeParse(parseJson(bytes));
  if (!parsed.success) return undefined;
  const { revision, contactAtMs, mac } = parsed.data;
  const found = Buffer.from(mac, 'base64url');
  const expected = macOf({ revision, contactAtMs }, key);
  const genuine = found.byteLength === expected.byteLength && timingSafeEqual(found, expected);
  return genuine ? { revision, contactAtMs } : undefined;
}

function macOf({ revision, contactAtMs }: HighWater, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${revision}\n${contactAtMs}`).digest();
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
