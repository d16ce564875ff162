import { failureOf, type ConnectionFailureCode } from '@sallyport/tls/connection-failure';
import { isTlsDisagreement } from './tls-disagreement.ts';

/** A server that the control plane connects to at its start, and what is said of how. */
type Server = {
  name: string;
  /** What says where it is, and as whom it is asked. */
  variable: string;
  /** The key of what may be negotiated with it. */
  tls: string;
  /** How its CA is given, where no public one issued its certificate. */
  trust: string;
};

/** As the login that owns the database, which is that of everything else unless another is named. */
export const OWNED_DATABASE: Server = {
  name: 'the database',
  variable: 'DATABASE_OWNER_URL, or DATABASE_URL where that is unset',
  tls: 'database.tls',
  trust: 'name the file of its CA as sslrootcert there',
};
export const DATABASE: Server = { ...OWNED_DATABASE, variable: 'DATABASE_URL' };
export const REDIS: Server = {
  name: 'Redis',
  variable: 'REDIS_URL',
  tls: 'redis.tls',
  trust: 'have this host trust its CA, or name the file of that CA in NODE_EXTRA_CA_CERTS',
};

/** Of a certificate, by what is wrong with it. */
const certificates = new Map<ConnectionFailureCode, (server: Server) => string>([
  ['tls.unknown_ca', ({ variable, trust }) => `see ${variable}: ${trust}`],
  [
    'tls.name_mismatch',
    ({ variable }) =>
      `its certificate is for other names than the host in ${variable}: use one of them there`,
  ],
  ['tls.expired', () => 'have its certificate renewed, or set this host’s clock'],
]);

/** By SQLSTATE (PostgreSQL, appendix A), or by the word that an error of Redis begins with. */
const refusals = new Map<string, (variable: string) => string>([
  ['28P01', (variable) => `check the user and the password in ${variable}`],
  [
    '28000',
    (variable) =>
      `see that the user of ${variable} is there and has LOGIN, let it in, in pg_hba.conf, and ask for TLS where that does (sslmode=verify-full)`,
  ],
  ['3D000', (variable) => `make the database that ${variable} names, or name another`],
  ['WRONGPASS', (variable) => `check the user and the password in ${variable}`],
  ['NOAUTH', (variable) => `give a user and a password in ${variable}`],
  [
    'NOPERM',
    (variable) =>
      `give the user of ${variable} the rights ~sallyport:* &* +@all -@dangerous +info, see docs/containers.md`,
  ],
]);

/** The failure of a first connection, in words for operators: its code and the way out. */
export function notReached(cause: unknown, server: Server): Error {
  const code = codeOf(cause);
  const reason = code === undefined ? '' : ` (${code})`;
  return new Error(`${server.name} cannot be reached${reason}; ${wayOut(cause, code, server)}`, {
    cause,
  });
}

function wayOut(cause: unknown, code: string | undefined, server: Server): string {
  if (isTlsDisagreement(cause)) return `compare ${server.tls} with its TLS settings`;
  const refused = code === undefined ? undefined : refusals.get(code);
  if (refused !== undefined) return refused(server.variable);
  const certificate = Error.isError(cause)
    ? certificates.get(failureOf(cause, []).code)
    : undefined;
  return certificate?.(server) ?? `check ${server.variable}, and that it is running`;
}

/** Of the system, of TLS, of Postgres, or, where an error has none, of Redis. */
function codeOf(error: unknown): string | undefined {
  if (!Error.isError(error)) return undefined;
  return 'code' in error ? String(error.code) : /^[A-Z]{4,}\b/.exec(error.message)?.[0];
}
