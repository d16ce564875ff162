/** A way by which bytes enter or leave a program of this project. */
export type Link = {
  name: string;
  program: 'sallyport-server' | 'sallyport-agent' | 'sallyport';
  direction: 'in' | 'out';
  /** What speaks TLS there, or what goes in its place. */
  secured: string;
  /** Where its versions and suites are set: the keys of the `tls` blocks, or why there is none. */
  tls: { blocks: readonly string[] } | { fixed: string };
  /** The files that listen or connect, from the root of the repository. */
  openedIn: readonly string[];
};

const server = 'apps/control-plane/src';

/** All of them. docs/tls.md shows this table, and a test holds it against the sources and the settings. */
export const links: readonly Link[] = [
  {
    name: 'operator API',
    program: 'sallyport-server',
    direction: 'in',
    secured: 'TLS, by Node',
    tls: { blocks: ['operatorApi.tls'] },
    openedIn: [`${server}/http/create-app.ts`, `${server}/http/operator-app.ts`],
  },
  {
    name: 'agent API',
    program: 'sallyport-server',
    direction: 'in',
    secured: 'TLS, by Node',
    tls: { blocks: ['agentApi.tls'] },
    openedIn: [`${server}/http/create-app.ts`, `${server}/http/agent-app.ts`],
  },
  {
    name: 'metrics and health',
    program: 'sallyport-server',
    direction: 'in',
    secured: 'plain HTTP, on loopback unless `metrics.host` says otherwise',
    tls: { fixed: 'no TLS: put a proxy that speaks it in front before you open the port' },
    openedIn: [`${server}/http/metrics-app.ts`],
  },
  {
    name: 'control plane → Postgres',
    program: 'sallyport-server',
    direction: 'out',
    secured: 'TLS, by the driver `pg`, with `sslmode=verify-full` in `database.url`',
    tls: { blocks: ['database.tls'] },
    openedIn: [
      `${server}/platform/application-role.ts`,
      `${server}/platform/db.ts`,
      `${server}/platform/elected.ts`,
      `${server}/platform/migrate.ts`,
      `${server}/platform/migrations-match.ts`,
      `${server}/platform/queue-backend.ts`,
      `${server}/platform/schema-engine.ts`,
      `${server}/platform/wakeups.ts`,
    ],
  },
  {
    name: 'control plane → its embedded Postgres',
    program: 'sallyport-server',
    direction: 'out',
    secured: 'plain TCP that does not leave the host',
    tls: { fixed: 'no TLS: for evaluation; give `database.url` otherwise' },
    openedIn: [
      'packages/embedded-postgres/src/free-port.ts',
      'packages/embedded-postgres/src/ownership.ts',
    ],
  },
  {
    name: 'control plane → Redis',
    program: 'sallyport-server',
    direction: 'out',
    secured: 'TLS, by the driver `ioredis`, with `rediss://` in `redis.url`',
    tls: { blocks: ['redis.tls'] },
    openedIn: [`${server}/platform/queue-backend.ts`],
  },
  {
    name: 'agent → control plane',
    program: 'sallyport-agent',
    direction: 'out',
    secured: 'TLS, by Node',
    tls: { blocks: ['controlPlane.tls'] },
    openedIn: [
      'apps/agent/src/cli/enroll.ts',
      'apps/agent/src/link/open-link.ts',
      'apps/agent/src/link/verify.ts',
    ],
  },
  {
    name: 'control plane → agent that listens',
    program: 'sallyport-server',
    direction: 'out',
    secured: 'TLS, by Node, with a client certificate; the agent API runs over it',
    tls: { blocks: ['dialer.tls'] },
    openedIn: [`${server}/links/link-dialer.ts`],
  },
  {
    name: 'agent that listens',
    program: 'sallyport-agent',
    direction: 'in',
    secured: 'TLS, by Node, client certificates required; the agent asks over what it accepts',
    tls: { blocks: ['listen.tls'] },
    openedIn: ['apps/agent/src/cli/enroll-listening.ts', 'apps/agent/src/link/listen.ts'],
  },
  {
    name: 'agent → proxy',
    program: 'sallyport-agent',
    direction: 'out',
    secured:
      'TLS, by Node, with `https://` in `proxy.url`; it keeps to the policy of the link that goes through it',
    tls: { blocks: ['controlPlane.tls', 'references.tls'] },
    openedIn: [
      'apps/agent/src/cli/enroll.ts',
      'apps/agent/src/link/open-link.ts',
      'apps/agent/src/link/verify.ts',
      'apps/agent/src/references/provider-link.ts',
    ],
  },
  {
    name: 'agent → vaults that references lead to',
    program: 'sallyport-agent',
    direction: 'out',
    secured:
      'off unless `references.vault`, `awsSm`, `azureKv` or `k8s` is set: TLS, by Node, with a client certificate where Vault is to have one',
    tls: { blocks: ['references.tls'] },
    openedIn: ['apps/agent/src/references/provider-link.ts'],
  },
  {
    name: 'agent → identity endpoint of its machine',
    program: 'sallyport-agent',
    direction: 'out',
    secured:
      'off unless `references.azureKv.auth` is `managed-identity`, or `references.awsSm` is set and finds no other credentials: plain HTTP to addresses that do not leave the machine',
    tls: { fixed: 'no TLS: Azure and AWS offer none there' },
    openedIn: ['apps/agent/src/references/aws-sdk.ts', 'apps/agent/src/references/azure-login.ts'],
  },
  {
    name: 'local API of the agent',
    program: 'sallyport-agent',
    direction: 'in',
    secured: 'a unix socket, guarded by the permissions of its file',
    tls: { fixed: 'no TLS: it does not leave the host' },
    openedIn: [
      'apps/agent/src/cli/local-client.ts',
      'apps/agent/src/local-api/claim-socket.ts',
      'apps/agent/src/local-api/socket-listener.ts',
    ],
  },
  {
    name: 'local API of the agent on TCP',
    program: 'sallyport-agent',
    direction: 'in',
    secured:
      'off unless `localApi.tcp.address` is set, and on loopback only: a token over plain HTTP, TLS by Node with `localApi.tcp.keystore`, client certificates with `localApi.tcp.truststore`',
    tls: { blocks: ['localApi.tcp.tls'] },
    openedIn: ['apps/agent/src/local-api/tcp-listener.ts'],
  },
  {
    name: 'CLI → control plane',
    program: 'sallyport',
    direction: 'out',
    secured: 'TLS, by Node',
    tls: { blocks: ['tls'] },
    openedIn: ['apps/cli/src/api-client.ts', 'apps/cli/src/commands/session.ts'],
  },
];
