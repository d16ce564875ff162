import { isIP, isIPv6 } from 'node:net';
import { plainAddress } from '@sallyport/tls/plain-address';

const GROUPS = 8;
/** What one subscriber is given of IPv6, and may take any address of. */
const NETWORK_GROUPS = 4;

/** What an address is counted as: an IPv4 address as itself, an IPv6 one as its /64, and what is none as one and the same. */
export function addressKey(address: string): string {
  const [bare = ''] = address.split('%', 1);
  const plain = plainAddress(bare);
  if (isIP(plain) === 0) return 'unknown';
  if (!isIPv6(plain)) return plain;
  // The URL parser writes every address in one form (WHATWG URL, IPv6 serializer).
  const text = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const before = head.split(':').filter(Boolean);
  const after = (tail ?? '').split(':').filter(Boolean);
  const zeros = Array<string>(GROUPS - before.length - after.length).fill('0');
  const groups = [...before, ...zeros, ...after];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}
