import { hash } from 'node:crypto';
import { canonicalJson, type JsonValue } from './canonical-json.ts';

/** How far a chain reaches: the position of a link and its hash, SHA-256 in base64. */
export type ChainHead = { position: number; hash: string };

/** One link: an event, where it stands, and the hash that ties it to all before it. */
export type ChainLink = ChainHead & { event: JsonValue };

/** Where every chain begins: before position 1, with 32 bytes of zero. */
export const GENESIS: ChainHead = { position: 0, hash: Buffer.alloc(32).toString('base64') };

/** The hash of the link that follows `previous`: SHA-256 over RFC 8785 JSON of all three. */
export function linkHash(previous: string, position: number, event: JsonValue): string {
  return hash('sha256', canonicalJson({ event, position, previous }), 'base64');
}

/** Ties events to a head, in their order. */
export function chainEvents(head: ChainHead, events: readonly JsonValue[]): ChainLink[] {
  let { position, hash: previous } = head;
  return events.map((event) => {
    position += 1;
    previous = linkHash(previous, position, event);
    return { position, hash: previous, event };
  });
}
