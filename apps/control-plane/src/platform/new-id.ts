import { randomUUIDv7 } from 'node:crypto';

/** A UUIDv7 (RFC 9562, section 5.7): sorts by creation within one process. Never a sync cursor. */
export function newId(): string {
  return randomUUIDv7();
}
