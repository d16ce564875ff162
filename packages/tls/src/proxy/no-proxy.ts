import { BlockList, isIP } from 'node:net';

type Destination = {
  /** Host of the URL: a name or an address. */
  host: string;
  port: number;
  /** The address that is connected to instead, where one is set. */
  address?: string | undefined;
};

type Rule = (host: string, port: number) => boolean;

const DOMAIN = /^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 6 ? 'ipv6' : 'ipv4';
}

function subnetRule(base: string, bits: number): Rule | undefined {
  const family = familyOf(base);
  if (family === undefined || bits > (family === 'ipv6' ? 128 : 32)) return undefined;
  const list = new BlockList();
  list.addSubnet(base, bits, family);
  return (host) => {
    const hostFamily = familyOf(host);
    return hostFamily !== undefined && list.check(host, hostFamily);
  };
}

function domainRule(text: string): Rule | undefined {
  const domain = text.replace(/^\*(?=\.)/, '').replace(/\.$/, '');
  if (!DOMAIN.test(domain)) return undefined;
  if (domain.startsWith('.')) return (host) => host.endsWith(domain);
  return (host) => host === domain || host.endsWith(`.${domain}`);
}

function hostRule(text: string): Rule | undefined {
  const family = familyOf(text);
  return family ? subnetRule(text, family === 'ipv6' ? 128 : 32) : domainRule(text);
}

function parseEntry(entry: string): Rule | undefined {
  const text = entry.trim().toLowerCase();
  if (text === '*') return () => true;
  const subnet = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (subnet) return subnetRule(subnet[1] ?? '', Number(subnet[2]));
  if (isIP(text) !== 0) return hostRule(text);
  const [, inBrackets, plain = '', port] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const rule = hostRule(inBrackets ?? plain);
  if (!rule || port === undefined) return rule;
  return (host, actual) => actual === Number(port) && rule(host, actual);
}

/** Whether an entry of a NO_PROXY list is understood. */
export function isNoProxyEntry(entry: string): boolean {
  return parseEntry(entry) !== undefined;
}

/**
 * Whether a destination is reached without the proxy. An entry is a host or a domain with all below it
 * (`example.org`), only what is below it (`.example.org`), an address, a range (`10.0.0.0/8`), one of
 * these but ranges with a port (`example.org:8443`), or `*` for everything. Names are not resolved: ranges
 * are for URLs and settings that hold an address. An entry that is not understood matches nothing.
 */
export function bypassesProxy(entries: readonly string[], destination: Destination): boolean {
  const { host, port, address } = destination;
  const hosts = [
    host.toLowerCase().replace(/\.$/, ''),
    ...(address === undefined ? [] : [address]),
  ];
  return entries.some((entry) => {
    const rule = parseEntry(entry);
    return rule !== undefined && hosts.some((each) => rule(each, port));
  });
}
