import type { AccessGrant } from '@sallyport/crypto/access-token';
import type { Platform } from '../platform/platform.ts';
import type { Trust } from '../trust/index.ts';
import { findCertifiedAgent } from './agent-certificates.store.ts';
import {
  clientCertificateRequired,
  clientCertificateUnknown,
  clientCertificateUnenrolled,
} from './agent-refusals.ts';
import { findIdentified } from './agents.store.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { organisationIdentity } from './organisation-identity.ts';
import { agentOfSpiffeId } from './spiffe-id.ts';

type Known = Pick<Platform, 'db' | 'agentCertificates' | 'clientIdentity'>;

/**
 * The agent that a connection's certificate is for: issued by this installation's CA for the agent's SPIFFE ID, with a
 * key that is known to be that agent's, or from the organisation's own CA and of the name that the agent goes by.
 *
 * @throws AppError `client_certificate.*`
 */
export async function agentOfCertificate(
  { db, agentCertificates, clientIdentity }: Known,
  { authorities, own }: Trust,
  shown: ClientCertificate | undefined,
): Promise<AccessGrant> {
  if (shown === undefined) throw clientCertificateRequired();
  const grant = { cnf: { 'x5t#S256': shown.digest }, method: 'certificate' } as const;
  if (!authorities.hasIssued(shown.certificate)) {
    const identity = organisationIdentity(shown, own.clientAuthorities, clientIdentity);
    const identified = await db.read((reader) => findIdentified(reader, identity));
    if (identified === undefined) throw clientCertificateUnenrolled();
    return { ...identified, ...grant };
  }
  const named = shown.uri && agentOfSpiffeId(agentCertificates.trustDomain, shown.uri);
  const found =
    named && (await db.read((reader) => findCertifiedAgent(reader, named, shown.keyThumbprint)));
  if (!found) throw clientCertificateUnknown();
  return { ...found, ...grant };
}
