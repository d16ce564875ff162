import { resolve } from 'node:path';
import { secret } from '@sallyport/config/fields';
import { parseEndpoint } from '@sallyport/tls/endpoint';
import type { StoreKind } from '@sallyport/tls/keystore-error';
import { tlsSettings } from '@sallyport/tls/settings';
import { storeSettings } from '@sallyport/tls/store-settings';
import { z } from 'zod';
import { cacheSeconds, staleSeconds } from '../freshness.ts';

const VARIABLES = 'SALLYPORT_AGENT_REFERENCES';
/** Where Kubernetes puts what a pod shows to its API (ServiceAccount admission controller). */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const absolutePath = z.string().regex(/^\/.*[^/]$/, 'use the absolute path of a file');
const httpsUrl = z.string().refine(isHttpsUrl, 'write it as https://host[:port][/prefix]');
/** A segment of a path, or several. */
const mount = z.string().regex(/^[\w-]+(\/[\w-]+)*$/, 'use the path of a mount, such as approle');

/** The metadata of the keys of one provider, and what all of them have: every further key costs each agent memory. */
function keysOf(block: string, provider: string) {
  const variables = `${VARIABLES}_${block}`;
  const as = (name: string, description: string) => ({
    env: `${variables}_${name}`,
    description: `${provider}: ${description}`,
  });
  const store = (kind: StoreKind) => {
    const variablesOf = `${variables}_${kind.toUpperCase()}`;
    return storeSettings(kind, { what: provider, password: secret(), variables: variablesOf });
  };
  return { as, store };
}

const vaultKeys = keysOf('VAULT', 'Vault');
const vault = z
  .strictObject({
    url: httpsUrl.meta(vaultKeys.as('URL', 'its address, as https://host:8200')),
    namespace: z
      .string()
      .regex(/^[\w./-]+$/, 'use the path of a namespace')
      .optional()
      .meta(vaultKeys.as('NAMESPACE', 'namespace of mounts and login')),
    auth: z
      .enum(['token', 'approle', 'kubernetes', 'cert'])
      .meta(vaultKeys.as('AUTH', 'how the agent logs in: token, approle, kubernetes, cert')),
    authMount: mount
      .optional()
      .meta(vaultKeys.as('AUTH_MOUNT', 'where that method is mounted; unset: at its own name')),
    tokenFile: absolutePath
      .optional()
      .meta(vaultKeys.as('TOKEN_FILE', 'file with a token, where auth is token; read when needed')),
    roleId: z
      .string()
      .min(1)
      .optional()
      .meta(vaultKeys.as('ROLE_ID', 'role id, where auth is approle')),
    secretIdFile: absolutePath
      .optional()
      .meta(vaultKeys.as('SECRET_ID_FILE', 'file with the secret id, where auth is approle')),
    role: z
      .string()
      .min(1)
      .optional()
      .meta(vaultKeys.as('ROLE', 'role, where auth is kubernetes; with cert, which role is meant')),
    serviceAccountTokenFile: absolutePath
      .default(`${SERVICE_ACCOUNT}/token`)
      .meta(
        vaultKeys.as(
          'SERVICE_ACCOUNT_TOKEN_FILE',
          'file with the token of the service account, where auth is kubernetes',
        ),
      ),
    keystore: vaultKeys.store('keystore').prefault({}),
    truststore: vaultKeys.store('truststore').prefault({}),
  })
  .refine(({ auth, tokenFile }) => auth !== 'token' || tokenFile, {
    path: ['tokenFile'],
    message: 'is needed where auth is token',
  })
  .refine(({ auth, roleId }) => auth !== 'approle' || roleId, {
    path: ['roleId'],
    message: 'is needed where auth is approle',
  })
  .refine(({ auth, secretIdFile }) => auth !== 'approle' || secretIdFile, {
    path: ['secretIdFile'],
    message: 'is needed where auth is approle',
  })
  .refine(({ auth, role }) => auth !== 'kubernetes' || role, {
    path: ['role'],
    message: 'is needed where auth is kubernetes',
  })
  .refine(({ auth, keystore }) => auth !== 'cert' || keystore.file, {
    path: ['keystore', 'file'],
    message: 'is needed where auth is cert',
  });

const awsKeys = keysOf('AWS_SM', 'AWS Secrets Manager');
const awsSm = z.strictObject({
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'use a region such as eu-central-1')
    .meta(awsKeys.as('REGION', 'region; credentials are those of the AWS SDK’s default chain')),
  endpoint: httpsUrl
    .optional()
    .meta(awsKeys.as('ENDPOINT', 'its address, such as a VPC endpoint; unset: that of the region')),
  truststore: awsKeys.store('truststore').prefault({}),
});

const azureKeys = keysOf('AZURE_KV', 'Azure Key Vault');
const azureKv = z
  .strictObject({
    vaults: z
      .record(z.string().regex(/^[A-Za-z0-9-]{1,127}$/, 'use the name of a vault'), httpsUrl)
      .meta({
        description: 'Azure Key Vault: address of each vault that may be read, by its name',
      }),
    auth: z
      .enum(['client-secret', 'workload-identity', 'managed-identity'])
      .meta(
        azureKeys.as(
          'AUTH',
          'how the agent gets its token: client-secret, workload-identity, managed-identity',
        ),
      ),
    loginUrl: httpsUrl
      .default('https://login.microsoftonline.com')
      .meta(azureKeys.as('LOGIN_URL', 'address of Microsoft Entra')),
    tenantId: z
      .string()
      .regex(/^[\w.-]+$/, 'use an id or a domain')
      .optional()
      .meta(azureKeys.as('TENANT_ID', 'tenant; not with managed-identity')),
    clientId: z
      .string()
      .regex(/^[\w.-]+$/, 'use an id')
      .optional()
      .meta(azureKeys.as('CLIENT_ID', 'client id; with managed-identity, which identity is meant')),
    clientSecretFile: absolutePath
      .optional()
      .meta(azureKeys.as('CLIENT_SECRET_FILE', 'file with the secret of a client-secret')),
    federatedTokenFile: absolutePath
      .optional()
      .meta(azureKeys.as('FEDERATED_TOKEN_FILE', 'file with the token of a workload-identity')),
    resource: httpsUrl
      .default('https://vault.azure.net')
      .meta(azureKeys.as('RESOURCE', 'what tokens are asked for; differs in sovereign clouds')),
    identityEndpoint: z
      .url({ protocol: /^http$/, hostname: /^(169\.254\.169\.254|127\.0\.0\.1)$/ })
      .default('http://169.254.169.254')
      .meta(
        azureKeys.as(
          'IDENTITY_ENDPOINT',
          'where a managed-identity is asked for: on this host, by plain HTTP',
        ),
      ),
    truststore: azureKeys.store('truststore').prefault({}),
  })
  .refine(({ auth, tenantId }) => auth === 'managed-identity' || tenantId, {
    path: ['tenantId'],
    message: 'is needed unless auth is managed-identity',
  })
  .refine(({ auth, clientId }) => auth === 'managed-identity' || clientId, {
    path: ['clientId'],
    message: 'is needed unless auth is managed-identity',
  })
  .refine(({ auth, clientSecretFile }) => auth !== 'client-secret' || clientSecretFile, {
    path: ['clientSecretFile'],
    message: 'is needed where auth is client-secret',
  })
  .refine(({ auth, federatedTokenFile }) => auth !== 'workload-identity' || federatedTokenFile, {
    path: ['federatedTokenFile'],
    message: 'is needed where auth is workload-identity',
  });

const k8sKeys = keysOf('K8S', 'Kubernetes');
const k8s = z.strictObject({
  url: httpsUrl.meta(k8sKeys.as('URL', 'its API, in a pod https://kubernetes.default.svc')),
  tokenFile: absolutePath
    .default(`${SERVICE_ACCOUNT}/token`)
    .meta(k8sKeys.as('TOKEN_FILE', 'file with the token of the service account')),
  truststore: k8sKeys.store('truststore').prefault({ file: `${SERVICE_ACCOUNT}/ca.crt` }),
});

const directory = z
  .string()
  .regex(/^\//, 'use an absolute path')
  .refine((path) => resolve(path) !== '/', 'use a directory below the root directory');
const file = z.strictObject({
  directories: z
    .array(directory)
    .max(64)
    .default([])
    .meta({
      env: `${VARIABLES}_FILE_DIRECTORIES`,
      description: 'Directories below which files may be read; links that lead out are refused',
    }),
});

const env = z.strictObject({
  names: z
    .array(z.string().regex(/^[A-Za-z_]\w*$/, 'use names of variables'))
    .max(256)
    .default([])
    .meta({
      env: `${VARIABLES}_ENV_NAMES`,
      description: 'Variables of the agent’s own environment that may be read',
    }),
});

const exec = z.strictObject({
  commands: z
    .record(
      z.string().regex(/^[a-z0-9][\w.-]{0,62}$/i, 'use a short name'),
      z.strictObject({
        argv: z
          .array(z.string())
          .min(1)
          .refine(([program = '']) => program.startsWith('/'), 'begin with an absolute path')
          .meta({ description: 'The program, by its absolute path, and its arguments; no shell' }),
        timeoutSeconds: z
          .int()
          .min(1)
          .max(60)
          .default(5)
          .meta({ description: 'When it is killed, with all that it started' }),
        environment: z
          .record(z.string().regex(/^[A-Za-z_]\w*$/, 'use names of variables'), z.string())
          .default({})
          .meta({ description: 'Its variables, beside PATH and LANG; nothing else is passed on' }),
      }),
    )
    .default({}),
});

/** How references are resolved on this host. A provider that is not set resolves nothing. */
export const referenceSettings = z
  .strictObject({
    cacheSeconds: cacheSeconds.default(60).meta({
      env: `${VARIABLES}_CACHE_SECONDS`,
      description: 'How long a value that was fetched is served before it is fetched again',
    }),
    staleSeconds: staleSeconds.default(0).meta({
      env: `${VARIABLES}_STALE_SECONDS`,
      description:
        'For how much longer it is served, marked as stale, while its provider does not answer',
    }),
    timeoutSeconds: z
      .int()
      .min(1)
      .max(120)
      .default(10)
      .meta({
        env: `${VARIABLES}_TIMEOUT_SECONDS`,
        description: 'How long a program waits for a value at most',
      }),
    tls: tlsSettings('Vaults that references lead to', `${VARIABLES}_TLS`).prefault({}),
    vault: vault.optional(),
    awsSm: awsSm.optional(),
    azureKv: azureKv.optional(),
    k8s: k8s.optional(),
    file: file.prefault({}),
    env: env.prefault({}),
    exec: exec.prefault({}),
  })
  .refine(
    ({ timeoutSeconds, exec: { commands } }) =>
      Object.values(commands).every((command) => command.timeoutSeconds < timeoutSeconds),
    {
      path: ['exec', 'commands'],
      message: 'give each command less timeoutSeconds than references.timeoutSeconds',
    },
  );

export type ReferenceSettings = z.output<typeof referenceSettings>;
export type VaultSettings = NonNullable<ReferenceSettings['vault']>;
export type AwsSettings = NonNullable<ReferenceSettings['awsSm']>;
export type AzureSettings = NonNullable<ReferenceSettings['azureKv']>;
export type KubernetesSettings = NonNullable<ReferenceSettings['k8s']>;
export type Commands = ReferenceSettings['exec']['commands'];

function isHttpsUrl(text: string): boolean {
  try {
    parseEndpoint(text);
    return true;
  } catch {
    return false;
  }
}
