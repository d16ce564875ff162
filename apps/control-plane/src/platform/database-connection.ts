import { tlsOptions, type TlsPolicy } from '@sallyport/tls/policy';
import type pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';

/**
 * What every connection to a database is opened with: what its URL says, and, where that asks for TLS, what may be
 * negotiated. The driver would let the URL go before a policy that is given beside it.
 */
export function connectionTo(url: string, tls: TlsPolicy): pg.ClientConfig {
  const { ssl = false, ...connection } = parseIntoClientConfig(url);
  if (ssl === false) return { ...connection, ssl };
  return { ...connection, ssl: { ...(ssl === true ? {} : ssl), ...tlsOptions(tls) } };
}
