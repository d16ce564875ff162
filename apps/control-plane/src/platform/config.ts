import { port, secret } from '@sallyport/config/fields';
import { newPassword, operatorName } from '@sallyport/contract';
import { tlsSettings } from '@sallyport/tls/settings';
import { storeSettings } from '@sallyport/tls/store-settings';
import { z } from 'zod';
import { accessSettings } from './access-settings.ts';
import { clientIdentity } from './client-identity.ts';
import { dialerSettings } from './dialer-settings.ts';
import { portClashes } from './port-clashes.ts';

/** Variables of the agent and of the operators' CLI, which may share a shell or an env file with the server. */
export const OTHER_PROGRAMS = [
  'SALLYPORT_PASSWORD',
  'SALLYPORT_PASSWORD_FILE',
  'SALLYPORT_CONFIG_DIR',
  'SALLYPORT_TLS_*',
  'SALLYPORT_ENROLLMENT_*',
  'SALLYPORT_AGENT_AUTHENTICATION',
  'SALLYPORT_AGENT_CONFIG',
  'SALLYPORT_AGENT_CONTROL_PLANE_*',
  'SALLYPORT_AGENT_LISTEN_*',
  'SALLYPORT_AGENT_LOCAL_API_*',
  'SALLYPORT_AGENT_LOG_LEVEL',
  'SALLYPORT_AGENT_MAX_STALE_SECONDS',
  'SALLYPORT_AGENT_PROXY_*',
  'SALLYPORT_AGENT_REFERENCES_*',
  'SALLYPORT_AGENT_RESOURCES_*',
  'SALLYPORT_AGENT_SOCKET*',
  'SALLYPORT_AGENT_STATE_DIR',
  'SALLYPORT_AGENT_TOKEN_FILE',
  'SALLYPORT_AGENT_TOKEN_REFERENCE',
];

const processRole = z.enum(['operator-api', 'agent-api', 'worker']);

const databaseUrl = z
  .string()
  .min(1)
  .refine(
    (text) => URL.canParse(text),
    'is no URL; percent-encode in its password what is no letter or digit',
  );

const settings = z.strictObject({
  dataDir: z
    .string()
    .default('.sallyport')
    .describe('Folder of the embedded Postgres and of the root key file'),
  roles: z
    .array(processRole)
    .min(1)
    .default(['operator-api', 'agent-api', 'worker'])
    .describe('What this process does: operator-api, agent-api, worker'),
  publicHosts: z
    .array(z.string())
    .min(1)
    .default(['localhost', '127.0.0.1', '::1'])
    .describe(
      'Host names and addresses that clients use; they become the names of the server certificate',
    ),
  database: z
    .strictObject({
      url: secret(databaseUrl)
        .optional()
        .meta({ env: 'DATABASE_URL', description: 'Postgres; unset starts the embedded one' }),
      ownerUrl: secret(databaseUrl).optional().meta({
        env: 'DATABASE_OWNER_URL',
        description:
          'The same database as the login that owns it, for migrations alone; unset uses database.url',
      }),
      tls: tlsSettings('Postgres, where sslmode in database.url asks for TLS').prefault({}),
    })
    .refine(({ url, ownerUrl }) => ownerUrl === undefined || url !== undefined, {
      path: ['ownerUrl'],
      message: 'needs database.url: the embedded Postgres has one login',
    })
    .prefault({}),
  redis: z
    .strictObject({
      url: secret().optional().meta({
        env: 'REDIS_URL',
        description: 'Redis or Valkey for the job queue; unset keeps the queue in Postgres',
      }),
      tls: tlsSettings('Redis, where redis.url begins with rediss://').prefault({}),
    })
    .prefault({}),
  rootKey: secret()
    .optional()
    .describe(
      '32 bytes in base64 or hex that wrap every keyring; unset keeps them in root-key in the data folder',
    ),
  previousRootKey: secret()
    .optional()
    .describe(
      'The root key before or after rootKey while it is rotated; see sallyport-server rotate-root',
    ),
  owner: z
    .strictObject({
      name: operatorName
        .default('owner')
        .describe('Name of the first operator, made at the first start'),
      password: secret(newPassword)
        .optional()
        .describe('Its password, at least 12 characters; unset generates one and prints it once'),
    })
    .prefault({}),
  keyrings: z
    .strictObject({
      rotateAfterDays: z.coerce
        .number()
        .int()
        .min(1)
        .max(3650)
        .default(90)
        .describe('Age at which a group’s key is rotated'),
      rotateAfterEncryptions: z.coerce
        .number()
        .int()
        .min(1)
        .max(2 ** 31)
        .default(2 ** 30)
        .describe('Values that a group’s key seals before it is rotated'),
    })
    .prefault({}),
  apiKeys: z
    .strictObject({
      defaultDays: apiKeyDays(90).describe('How long an API key lives when its maker does not say'),
      maxDays: apiKeyDays(180).describe('How long an API key may live'),
    })
    .refine(({ defaultDays, maxDays }) => defaultDays <= maxDays, {
      path: ['defaultDays'],
      message: 'may not be more than apiKeys.maxDays',
    })
    .prefault({}),
  agentCertificates: z
    .strictObject({
      trustDomain: z
        .string()
        .regex(
          /^[a-z0-9][a-z0-9._-]{0,253}$/,
          'use lower-case letters, digits, dots, hyphens and underscores',
        )
        .default('sallyport')
        .describe('SPIFFE trust domain of the certificates that agents get'),
      lifetimeHours: z.coerce
        .number()
        .int()
        .min(2)
        .max(90 * 24)
        .default(24)
        .describe('How long an agent’s certificate is good; it is renewed at half of that'),
      recoveryDays: z.coerce
        .number()
        .int()
        .min(0)
        .max(365)
        .default(7)
        .describe(
          'How long after its certificate ended an agent may ask for a new one with its key alone, where the key opens no sessions',
        ),
    })
    .prefault({}),
  audit: z
    .strictObject({
      checkpointSeconds: z.coerce
        .number()
        .int()
        .min(1)
        .max(24 * 3600)
        .default(60)
        .describe('How often the head of the audit is signed, when it has moved'),
      retentionDays: z.coerce
        .number()
        .int()
        .min(30)
        .optional()
        .describe('How long audit events are kept; unset keeps them for ever'),
    })
    .prefault({}),
  ...accessSettings,
  operatorApi: listener(8443, 'Operator API', 1_000)
    .extend({
      keystore: keystore('Operator API').prefault({}),
      tls: tlsSettings('Operator API').prefault({}),
    })
    .prefault({}),
  agentApi: listener(9443, 'Agent API', 20_000)
    .extend({
      publicUrl: z
        .url({ protocol: /^https$/ })
        .optional()
        .describe('How agents reach the agent API, when not by its own address'),
      keystore: keystore('Agent API').prefault({}),
      truststore: storeSettings('truststore', {
        what: 'Client certificates of agents from another CA than the built-in one',
        password: secret(),
      }).prefault({}),
      clientIdentity: clientIdentity
        .default('uri')
        .describe(
          'Which name of such a client certificate tells the agent: uri, dns, ip, or key for its public key',
        ),
      tls: tlsSettings('Agent API').prefault({}),
    })
    .prefault({}),
  dialer: dialerSettings.prefault({}),
  metrics: listener(9464, 'Metrics and health, plain HTTP', 100).prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .describe('The least severe level that is logged'),
    })
    .prefault({}),
});

/** Everything that can be set, with its default; the reference page is made from this. */
export const serverConfig = settings
  .refine(({ fips, passwordHash }) => !fips || passwordHash !== 'argon2id', {
    path: ['passwordHash'],
    message: 'may not be argon2id when fips is on',
  })
  .superRefine((config, context) => {
    for (const { key, otherKey } of portClashes(config))
      context.addIssue({
        code: 'custom',
        path: [key, 'port'],
        message: `${otherKey}.port is the same; give each its own`,
      });
  });

export type ServerConfig = z.infer<typeof serverConfig>;

function apiKeyDays(days: number) {
  return z.coerce.number().int().min(1).max(180).default(days);
}

function keystore(what: string) {
  return storeSettings('keystore', { what, password: secret() });
}

function listener(defaultPort: number, what: string, maxConnections: number) {
  return z.strictObject({
    host: z.string().default('127.0.0.1').describe(`${what}: address to listen on`),
    port: port().default(defaultPort).describe(`${what}: port to listen on; 0 takes a free one`),
    maxConnections: z
      .int()
      .min(10)
      .max(1_000_000)
      .default(maxConnections)
      .describe(
        `${what}: connections that are open at a time, an open file each; more are closed at once`,
      ),
  });
}
