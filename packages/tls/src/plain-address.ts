const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** An address as people write it: one of IPv4 that a socket of both families tells as IPv6 (RFC 4291, section 2.5.5.2) is itself. */
export function plainAddress(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address;
}
