import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { valueOf } from '@sallyport/config/expand';
import { secret } from '@sallyport/config/fields';
import { loadConfig, type Environment } from '@sallyport/config/load';
import { agentMethod, resourceName, type AgentMethod } from '@sallyport/contract';
import { tlsSettings, tlsWarnings } from '@sallyport/tls/settings';
import { storeSettings } from '@sallyport/tls/store-settings';
import { z } from 'zod';
import { AgentError } from './agent-error.ts';
import { freshnessSettings, freshnessWarnings } from './freshness.ts';
import { listenSettings } from './listen-settings.ts';
import { localApiSettings, socketMode } from './local-api-settings.ts';
import { logLevels } from './log.ts';
import { peerNameDescription, peerName } from './peer-name.ts';
import { proxySettings, withConventionalProxy } from './proxy-settings.ts';
import { isReference } from './references/reference.ts';
import { referenceSettings } from './references/settings.ts';
import { resourceSettings } from './resources/settings.ts';
import { defaultSocket, defaultStateDirectory } from './state/default-paths.ts';

/** Where programs and the commands that read find the agent. */
export const SOCKET_VARIABLE = 'SALLYPORT_AGENT_SOCKET';

const settings = z.strictObject({
  stateDir: z.string().min(1).optional().meta({
    env: 'SALLYPORT_AGENT_STATE_DIR',
    description:
      'Directory of identity and durable bundle, 0700; unset: /var/lib/sallyport-agent for root, else ~/.local/state/sallyport-agent',
  }),
  socket: z.string().min(1).optional().meta({
    env: SOCKET_VARIABLE,
    description:
      'Path of the unix socket that applications use; unset: agent.sock in the state directory',
  }),
  socketMode: socketMode.default('0600').meta({
    env: 'SALLYPORT_AGENT_SOCKET_MODE',
    description:
      'Who may use the socket: its owner, its group too, or everyone who reaches its directory',
  }),
  authentication: agentMethod.optional().meta({
    env: 'SALLYPORT_AGENT_AUTHENTICATION',
    description:
      'How the agent opens sessions: key, token, certificate (mutual TLS); unset: token where tokenFile or tokenReference is set, else key',
  }),
  tokenFile: z.string().regex(/^\//, 'use an absolute path').optional().meta({
    env: 'SALLYPORT_AGENT_TOKEN_FILE',
    description:
      'File with an agent token, which opens sessions together with the agent’s key; read again for each. Unset: by the key alone',
  }),
  tokenReference: z
    .string()
    .refine(isReference, 'use a reference, such as vault://<mount>/<path>#<field>')
    .optional()
    .meta({
      env: 'SALLYPORT_AGENT_TOKEN_REFERENCE',
      description:
        'Where that token is, in place of tokenFile: a reference as in docs/references.md, resolved anew for each session',
    }),
  maxStaleSeconds: z.int().min(120).max(31_536_000).optional().meta({
    env: 'SALLYPORT_AGENT_MAX_STALE_SECONDS',
    description:
      'Seconds without the control plane, at least 120, after which values are no longer served and are wiped from memory, and the agent exits; unset: they are served for as long as it takes',
  }),
  freshness: freshnessSettings,
  certificateFiles: z
    .array(
      z.strictObject({
        certificate: resourceName.meta({ description: 'The certificate that the file holds' }),
        file: z
          .string()
          .regex(/^\/.*[^/]$/, 'use the absolute path of a file')
          .meta({
            description:
              'Absolute path of a file that the agent keeps: the private key, then the chain, in PEM',
          }),
        mode: z
          .enum(['0400', '0440', '0600', '0640'])
          .default('0600')
          .meta({ description: 'Who may read the file: its owner, or its group too' }),
      }),
    )
    .max(64)
    .refine(isEachPathOnce, 'name each file once')
    .default([]),
  controlPlane: z
    .strictObject({
      address: z.union([z.ipv4(), z.ipv6()]).optional().meta({
        env: 'SALLYPORT_AGENT_CONTROL_PLANE_ADDRESS',
        description:
          'IP address to connect to in place of one that the host in the URL resolves to; the certificate must still be for that host, or for controlPlane.name',
      }),
      name: peerName.optional().meta({
        env: 'SALLYPORT_AGENT_CONTROL_PLANE_NAME',
        description: `${peerNameDescription}; unset: the host in the URL`,
      }),
      keystore: storeSettings('keystore', {
        what: 'The agent’s client certificate from the organisation’s CA, where authentication is certificate',
        variables: 'SALLYPORT_AGENT_CONTROL_PLANE_KEYSTORE',
        password: secret(),
      }).prefault({}),
      truststore: storeSettings('truststore', {
        what: 'Whose certificates the control plane may show, in place of what the enrolment brought',
        variables: 'SALLYPORT_AGENT_CONTROL_PLANE_TRUSTSTORE',
        password: secret(),
      }).prefault({}),
      tls: tlsSettings('Link to the control plane', 'SALLYPORT_AGENT_CONTROL_PLANE_TLS').prefault(
        {},
      ),
    })
    .prefault({}),
  listen: listenSettings.prefault({}),
  localApi: localApiSettings.prefault({}),
  proxy: proxySettings.prefault({}),
  references: referenceSettings.prefault({}),
  resources: resourceSettings.prefault({}),
  log: z
    .strictObject({
      level: z.enum(logLevels).default('info').meta({
        env: 'SALLYPORT_AGENT_LOG_LEVEL',
        description: 'The least severe level that is logged',
      }),
    })
    .prefault({}),
});

/** Everything of the agent that can be set; the reference page is made from this. */
export const agentConfig = settings
  .refine(
    ({ freshness, maxStaleSeconds = Infinity }) =>
      freshness.every((entry) => (entry.maxStaleSeconds ?? 0) <= maxStaleSeconds),
    {
      path: ['freshness'],
      message: 'may give no secret more maxStaleSeconds than the agent’s own, which ends them all',
    },
  )
  .refine(
    ({ authentication, listen }) =>
      authentication !== 'certificate' || listen.address === undefined,
    {
      path: ['authentication'],
      message:
        'may not be certificate where listen.address is set: an agent that listens shows the certificate of a server',
    },
  )
  .refine(
    ({ authentication, tokenFile, tokenReference }) =>
      authentication !== 'token' || (tokenFile ?? tokenReference) !== undefined,
    {
      path: ['tokenFile'],
      message: 'is needed where authentication is token, or tokenReference',
    },
  )
  .refine(
    ({ authentication, tokenFile }) =>
      tokenFile === undefined || authentication === undefined || authentication === 'token',
    { path: ['tokenFile'], message: 'is of no use unless authentication is token; leave one out' },
  )
  .refine(
    ({ authentication, tokenReference }) =>
      tokenReference === undefined || authentication === undefined || authentication === 'token',
    {
      path: ['tokenReference'],
      message: 'is of no use unless authentication is token; leave one out',
    },
  )
  .refine(({ tokenFile, tokenReference }) => !(tokenFile && tokenReference), {
    path: ['tokenReference'],
    message: 'may not be set beside tokenFile; keep one',
  })
  .refine(
    ({ authentication, controlPlane }) =>
      controlPlane.keystore.file === undefined || authentication === 'certificate',
    {
      path: ['controlPlane', 'keystore', 'file'],
      message: 'is of no use unless authentication is certificate; set that, or leave this out',
    },
  );

function isEachPathOnce(files: readonly { file: string }[]): boolean {
  return new Set(files.map(({ file }) => file)).size === files.length;
}

export type AgentConfig = Omit<
  z.output<typeof agentConfig>,
  'authentication' | 'stateDir' | 'socket'
> & {
  authentication: AgentMethod;
  stateDir: string;
  socket: string;
};

/** Read beside the schema: they are not settings of the running agent. */
export const CONFIG_FILE_VARIABLE = 'SALLYPORT_AGENT_CONFIG';
export const TOKEN_VARIABLE = 'SALLYPORT_ENROLLMENT_TOKEN';
export const TOKEN_FILE_VARIABLE = 'SALLYPORT_ENROLLMENT_TOKEN_FILE';

/** Variables of the control plane, which may share a shell or an env file with the agent. */
const OTHER_PROGRAMS = ['SALLYPORT_AGENT_API_*', 'SALLYPORT_AGENT_CERTIFICATES_*'];

/** What the command line may set; it beats everything else. */
export type ConfigFlags = {
  config?: string | undefined;
  stateDir?: string | undefined;
  socket?: string | undefined;
};

/**
 * Reads the configuration: defaults < file < environment < flags. The socket is an absolute path.
 *
 * @throws ConfigError with every problem at once, AgentError `usage.invalid` for an empty flag
 */
export function readAgentConfig(
  flags: ConfigFlags,
  env: Environment,
): { config: AgentConfig; warnings: string[] } {
  refuseEmpty({
    '--config': flags.config,
    '--state-dir': flags.stateDir,
    '--socket': flags.socket,
  });
  const { config, warnings } = loadConfig(agentConfig, {
    file: flags.config ?? valueOf(env, CONFIG_FILE_VARIABLE),
    env: ownVariables(env),
    otherVariables: [CONFIG_FILE_VARIABLE, ...OTHER_PROGRAMS],
    programName: 'sallyport-agent',
  });
  const stateDir =
    flags.stateDir ??
    config.stateDir ??
    defaultStateDirectory(env, homedir(), process.getuid?.() === 0);
  const socket = resolve(flags.socket ?? config.socket ?? defaultSocket(stateDir));
  refuseSameSocket(socket, config.localApi.sockets);
  const proxy = withConventionalProxy(config.proxy, env);
  const authentication =
    config.authentication ??
    ((config.tokenFile ?? config.tokenReference) === undefined ? 'key' : 'token');
  const weak = [
    ...tlsWarnings('controlPlane.tls', config.controlPlane.tls),
    ...tlsWarnings('listen.tls', config.listen.tls),
    ...tlsWarnings('localApi.tcp.tls', config.localApi.tcp.tls),
    ...tlsWarnings('references.tls', config.references.tls),
  ];
  return {
    config: { ...config, authentication, proxy, stateDir, socket },
    warnings: [...warnings, ...weak, ...freshnessWarnings(config.freshness)],
  };
}

/** An empty path is most likely a variable that nobody set, and means the current directory or TCP to the system. */
function refuseEmpty(flags: Record<string, string | undefined>): void {
  const empty = Object.keys(flags).find((name) => flags[name] === '');
  if (empty === undefined) return;
  throw new AgentError('usage.invalid', `${empty} is empty`, {
    advice: 'give it a path, or leave it out',
  });
}

function refuseSameSocket(own: string, further: readonly { path: string }[]): void {
  const paths = [own, ...further.map(({ path }) => resolve(path))];
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice === undefined) return;
  throw new AgentError('usage.invalid', `two sockets have the path ${twice}`, {
    advice: 'name another one in localApi.sockets, or leave it out',
  });
}

/** `SALLYPORT_` variables of other programs in the same shell are no typos. */
function ownVariables(env: Environment): Environment {
  const own = Object.entries(env).filter(
    ([name]) => name.startsWith('SALLYPORT_AGENT_') || !name.startsWith('SALLYPORT_'),
  );
  return Object.fromEntries(own);
}
