import type { AccessGrant } from '@sallyport/crypto/access-token';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import { findCertifiedAgent } from './agent-certificates.store.ts';
import {
  clientCertificateRequired,
  clientCertificateUnknown,
  clientCertificateUntrusted,
} from './agent-refusals.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { agentOfSpiffeId } from './spiffe-id.ts';

/**
 * The agent that a connection's certificate was issued to: by this installation's CA, for the agent's SPIFFE ID,
 * with a key that is known to be that agent's.
 *
 * @throws AppError `client_certificate.*`
 */
export async function agentOfCertificate(
  { db, agentCertificates }: Pick<Platform, 'db' | 'agentCertificates'>,
  { authorities }: Trust,
  shown: ClientCertificate | undefined,
): Promise<AccessGrant> {
  if (shown === undefined) throw clientCertificateRequired();
  if (authorities.issuerOf(shown.certificate) === undefined) throw clientCertificateUntrusted();
  const named = shown.uri && agentOfSpiffeId(agentCertificates.trustDomain, shown.uri);
  const found =
    named && (await db.read((reader) => findCertifiedAgent(reader, named, shown.keyThumbprint)));
  if (!found) throw clientCertificateUnknown();
  return { ...found, cnf: { 'x5t#S256': shown.digest }, method: 'certificate' };
}
