import { secret } from '@sallyport/config/fields';
import { linkAddress, splitAddress } from '@sallyport/contract';
import { tlsSettings } from '@sallyport/tls/settings';
import { storeSettings } from '@sallyport/tls/store-settings';
import { z } from 'zod';
import { isLoopback } from './local-api/loopback.ts';
import { namePattern } from './name-patterns.ts';

const MAX_SOCKETS = 32;

/** Who may use a socket, by the permissions of its file. */
export const socketMode = z.enum(['0600', '0660', '0666'], {
  error: "use '0600', '0660' or '0666', in quotes",
});

const absolutePath = z.string().regex(/^\/.*[^/]$/, 'use the absolute path of a file');
const account = z.union([
  z.int().min(0),
  z.string().regex(/^[a-z_][\w.-]*\$?$/i, 'use a name or a number'),
]);

/** What programs may read at a listener: nothing that is not here. `as` makes the metadata of each list. */
function allowSettings(as: (kind: string, what: string) => { description: string; env?: string }) {
  const list = (kind: string, what: string) =>
    z.array(namePattern).max(1_000).default([]).meta(as(kind, what));
  return z
    .strictObject({
      secrets: list('SECRETS', 'Secrets'),
      configs: list('CONFIGS', 'Plugins’ configurations'),
      certificates: list('CERTIFICATES', 'Certificates, with their keys,'),
    })
    .prefault({});
}

const readable = 'that programs may read';
const patterns = 'names, all below one as in db/*, or *';

const socketSettings = z.strictObject({
  path: absolutePath.meta({ description: 'Absolute path of a further unix socket' }),
  mode: socketMode
    .default('0600')
    .meta({ description: 'Who may use it: its owner, its group too, or everyone' }),
  owner: account.optional().meta({ description: 'User, by name or number, that it belongs to' }),
  group: account.optional().meta({ description: 'Group, by name or number, that it belongs to' }),
  users: z.array(account).min(1).max(100).optional().meta({
    description:
      'Users, by name or number, whose programs alone may ask there, whoever else may open the file; unset: the mode decides',
  }),
  allow: allowSettings((_, what) => ({ description: `${what} ${readable} there: ${patterns}` })),
});

const variables = 'SALLYPORT_AGENT_LOCAL_API_TCP';
const store = { what: 'Programs’ TCP', password: secret() };

const tcpSettings = z
  .strictObject({
    address: linkAddress
      .refine((address) => isLoopback(splitAddress(address).host), 'use 127.0.0.1 or [::1]')
      .optional()
      .meta({
        env: `${variables}_ADDRESS`,
        description:
          'host:port to listen on for programs that cannot use a unix socket, such as 127.0.0.1:8200; loopback only; unset: none',
      }),
    tokenFile: absolutePath.optional().meta({
      env: `${variables}_TOKEN_FILE`,
      description:
        'File with the token that programs send as X-Sallyport-Token, at least 32 characters; read again when it changes',
    }),
    clientNames: z
      .array(z.string().min(1).max(1_024))
      .min(1)
      .optional()
      .meta({
        env: `${variables}_CLIENT_NAMES`,
        description:
          'Names of which a program’s certificate must have one, where truststore.file is set: URIs, host names, addresses',
      }),
    allow: allowSettings((kind, what) => ({
      env: `${variables}_ALLOW_${kind}`,
      description: `${what} ${readable} over TCP: ${patterns}`,
    })),
    keystore: storeSettings('keystore', { ...store, variables: `${variables}_KEYSTORE` }).prefault(
      {},
    ),
    truststore: storeSettings('truststore', {
      ...store,
      variables: `${variables}_TRUSTSTORE`,
    }).prefault({}),
    tls: tlsSettings('Programs’ TCP', `${variables}_TLS`).prefault({}),
  })
  .refine(({ address, tokenFile, truststore }) => !(address && !tokenFile && !truststore.file), {
    path: ['tokenFile'],
    message: 'is needed where address is set, or a truststore for the certificates of programs',
  })
  .refine(({ keystore, truststore }) => keystore.file || !truststore.file, {
    path: ['keystore', 'file'],
    message: 'is needed where truststore.file is set: the agent has to show a certificate too',
  })
  .refine(({ clientNames, truststore }) => clientNames || !truststore.file, {
    path: ['clientNames'],
    message: 'is needed where truststore.file is set: a CA signs for more than these programs',
  })
  .refine(({ clientNames, truststore }) => truststore.file || !clientNames, {
    path: ['truststore', 'file'],
    message: 'is needed where clientNames is set: else no certificate is asked for',
  });

/** Where programs ask, beside the agent’s own socket, and what each of those places lets them read. */
export const localApiSettings = z.strictObject({
  sockets: z
    .array(socketSettings)
    .max(MAX_SOCKETS)
    .refine((sockets) => new Set(sockets.map(({ path }) => path)).size === sockets.length, {
      message: 'name each path once',
    })
    .default([]),
  tcp: tcpSettings.prefault({}),
});

export type LocalApiSettings = z.output<typeof localApiSettings>;
export type SocketSettings = LocalApiSettings['sockets'][number];
export type TcpSettings = LocalApiSettings['tcp'];
/** Of an agent that listens on TCP. */
export type TcpConfig = TcpSettings & { address: string };
export type Allowed = SocketSettings['allow'];

export function listensOnTcp(settings: TcpSettings): settings is TcpConfig {
  return settings.address !== undefined;
}
