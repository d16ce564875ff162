import { isIP, isIPv4 } from 'node:net';

type Listener = { host: string; port: number };
type Listeners = {
  roles: readonly string[];
  operatorApi: Listener;
  agentApi: Listener;
  metrics: Listener;
};

/** The sections of listeners of one process that cannot both have their port. What names of hosts lead to is not looked up. */
export function portClashes({
  roles,
  operatorApi,
  agentApi,
  metrics,
}: Listeners): { key: string; otherKey: string }[] {
  const listening = [
    ...(roles.includes('operator-api') ? [{ key: 'operatorApi', at: operatorApi }] : []),
    ...(roles.includes('agent-api') ? [{ key: 'agentApi', at: agentApi }] : []),
    { key: 'metrics', at: metrics },
  ];
  return listening.flatMap(({ key, at }, index) =>
    listening
      .slice(0, index)
      .filter((other) => clash(at, other.at))
      .map((other) => ({ key, otherKey: other.key })),
  );
}

function clash(one: Listener, other: Listener): boolean {
  if (one.port === 0 || one.port !== other.port) return false;
  return one.host === other.host || covers(one.host, other.host) || covers(other.host, one.host);
}

/** Every address of the host: `::` is opened for IPv4, too. */
function covers(host: string, other: string): boolean {
  return host === '::' ? isIP(other) !== 0 : host === '0.0.0.0' && isIPv4(other);
}
