import { z } from 'zod';

const HOST_AND_PORT = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):([1-9]\d{0,4})$/;
const LABELS = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** What ends in a number is an address, or one that was mistyped (WHATWG URL, section 3.5). */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/** A host name or IP address, and a TCP port: `agent.example:9444`, `10.0.0.7:9444`, `[fd00::7]:9444`. */
export const linkAddress = z
  .string()
  .max(260)
  .toLowerCase()
  .refine(
    (address) => partsOf(address) !== undefined,
    'use host:port, the host being a name, an IPv4 address or an IPv6 address in brackets',
  );

/** The two parts of a `linkAddress`, the host without brackets. */
export function splitAddress(address: string): { host: string; port: number } {
  const parts = partsOf(address.toLowerCase());
  if (parts === undefined) throw new TypeError('no address of host and port');
  return parts;
}

function partsOf(address: string): { host: string; port: number } | undefined {
  const [, ipv6, name = '', port] = HOST_AND_PORT.exec(address) ?? [];
  const isHost = ipv6 === undefined ? isNameOrIpv4(name) : z.ipv6().safeParse(ipv6).success;
  if (!isHost || Number(port) > 65_535) return undefined;
  return { host: ipv6 ?? name, port: Number(port) };
}

function isNameOrIpv4(host: string): boolean {
  if (ENDS_IN_NUMBER.test(host)) return z.ipv4().safeParse(host).success;
  return host.length <= 253 && LABELS.test(host);
}
