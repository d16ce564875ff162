import { join } from 'node:path';

/** A destination that a proxy is to let through. */
export type Destination = { host: string; port: number };

export type ProxySetup = {
  /** Of 127.0.0.1, where it listens. */
  port: number;
  /** What it connects to; it refuses everything else. */
  allowed: readonly Destination[];
  /** Whether it asks for `proxyUser`. */
  asksForPassword: boolean;
  /** Whether clients speak TLS to it. */
  overTls: boolean;
};

export const proxyUser = { name: 'agent', password: 'canary-password' } as const;

/** What a proxy runs as where root starts it; the only users that it can look up are root, this one and `proxyUser`. */
const UNPRIVILEGED = 'nobody';

/** Files of a proxy's folder, by name; `hash` is that of the password, as crypt(3) has it. */
export type ProxyFiles = Record<string, string>;

/** The files that stand in for those of /etc, which no proxy of a test shall depend on or need changed. */
export function systemFiles(hosts: Readonly<Record<string, string>>, hash: string): ProxyFiles {
  const addresses = Object.entries({ localhost: '127.0.0.1', ...hosts });
  return {
    hosts: addresses.map(([name, address]) => `${address} ${name}\n`).join(''),
    // Nobody answers there: what is not in `hosts` does not resolve, and no server is asked.
    'resolv.conf': 'nameserver 127.0.0.1\n',
    'nsswitch.conf': 'hosts: files\npasswd: files\ngroup: files\nshadow: files\n',
    passwd: [
      'root:x:0:0::/:/bin/false',
      `${UNPRIVILEGED}:x:65534:65534::/:/bin/false`,
      `${proxyUser.name}:x:65533:65534::/:/bin/false\n`,
    ].join('\n'),
    shadow: `${proxyUser.name}:${hash}:19000::::::\n`,
  };
}

export function tinyproxyConfig(folder: string, setup: ProxySetup): ProxyFiles {
  const { port, allowed, asksForPassword } = setup;
  const quoted = allowed.map(({ host }) => `^${host.replaceAll('.', '\\.')}$\n`);
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 600',
    ...allowed.map((each) => `ConnectPort ${each.port}`),
    `Filter "${join(folder, 'filter')}"`,
    'FilterDefaultDeny Yes',
    ...(asksForPassword ? [`BasicAuth ${proxyUser.name} ${proxyUser.password}`] : []),
  ];
  return { config: `${lines.join('\n')}\n`, filter: quoted.join('') };
}

export function squidConfig(folder: string, setup: ProxySetup, hash: string): ProxyFiles {
  const { port, allowed, asksForPassword, overTls } = setup;
  const certificate = `tls-cert=${join(folder, 'cert.pem')} tls-key=${join(folder, 'key.pem')}`;
  const lines = [
    overTls ? `https_port 127.0.0.1:${port} ${certificate}` : `http_port 127.0.0.1:${port}`,
    'visible_hostname proxy.invalid',
    `cache_effective_user ${UNPRIVILEGED}`,
    'pid_filename none',
    'cache_log /dev/null',
    'access_log none',
    'coredump_dir none',
    'pinger_enable off',
    'cache deny all',
    'dns_retransmit_interval 1 second',
    'dns_timeout 1 second',
    `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${join(folder, 'users')}`,
    'auth_param basic children 1',
    'acl signed_in proxy_auth REQUIRED',
    ...allowed.flatMap(({ host, port: to }, number) => [
      `acl host_${number} dstdomain ${host}`,
      `acl port_${number} port ${to}`,
      `http_access allow host_${number} port_${number}${asksForPassword ? ' signed_in' : ''}`,
    ]),
    'http_access deny all',
  ];
  return { config: `${lines.join('\n')}\n`, users: `${proxyUser.name}:${hash}\n` };
}

export function danteConfig(_folder: string, setup: ProxySetup): ProxyFiles {
  const { port, allowed, asksForPassword } = setup;
  const lines = [
    'errorlog: stderr',
    `internal: 127.0.0.1 port = ${port}`,
    'external: lo',
    `socksmethod: ${asksForPassword ? 'username' : 'none'}`,
    'clientmethod: none',
    ...(process.getuid?.() === 0
      ? ['user.privileged: root', `user.unprivileged: ${UNPRIVILEGED}`]
      : []),
    'client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }',
    ...allowed.map(
      ({ host, port: to }) =>
        `socks pass { from: 127.0.0.0/8 to: ${host} port = ${to}\n command: connect\n}`,
    ),
    'socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 }',
  ];
  return { config: `${lines.join('\n')}\n` };
}
