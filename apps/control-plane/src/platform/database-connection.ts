import { ConfigError, type Environment } from '@sallyport/config/load';
import { tlsOptions, type TlsPolicy } from '@sallyport/tls/policy';
import type pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import type { ServerConfig } from './config.ts';

/**
 * What every connection to a database is opened with: what its URL says, and, where that asks for TLS, what may be
 * negotiated. The driver would let the URL go before a policy that is given beside it.
 */
export function connectionTo(url: string, tls: TlsPolicy): pg.ClientConfig {
  const { ssl = false, ...connection } = parseIntoClientConfig(url);
  if (ssl === false) return { ...connection, ssl };
  return { ...connection, ssl: { ...(ssl === true ? {} : ssl), ...tlsOptions(tls) } };
}

/**
 * Refuses what asks for TLS in a way that `connectionTo` does not heed: the connection would be in plain text.
 *
 * @throws ConfigError
 */
export function refuseUnheededTls(
  { url, ownerUrl }: ServerConfig['database'],
  { PGSSLMODE: mode = '' }: Environment,
): void {
  const urls = Object.entries({ 'database.url': url, 'database.ownerUrl': ownerUrl });
  const problems = urls.flatMap(([key, given]) => {
    if (given === undefined) return [];
    const { searchParams } = new URL(given.reveal());
    const ssl = searchParams.get('ssl');
    if (searchParams.has('sslmode')) return [];
    if (ssl !== null && !['true', '1', 'false', '0'].includes(ssl))
      return [`${key}: its parameter ssl is none that counts; use sslmode`];
    if (ssl === null && mode !== '' && mode !== 'disable')
      return [`${key}: PGSSLMODE asks for TLS, and is not heeded; add sslmode to it`];
    return [];
  });
  if (problems.length > 0) throw new ConfigError('sallyport-server', problems);
}
