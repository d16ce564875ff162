import { createHmac, timingSafeEqual } from 'node:crypto';

/** Vouches for a text in a file of the state directory. */
export function vouchFor(text: string, key: Uint8Array): string {
  return macOf(text, key).toString('base64url');
}

/** Whether this agent has vouched so for the text. */
export function isVouchedFor(text: string, mac: string, key: Uint8Array): boolean {
  const found = Buffer.from(mac, 'base64url');
  const expected = macOf(text, key);
  return found.byteLength === expected.byteLength && timingSafeEqual(found, expected);
}

/** The JSON of a file; undefined where it is none. */
export function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function macOf(text: string, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
