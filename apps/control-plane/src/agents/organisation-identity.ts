import { X509Certificate } from 'node:crypto';
import { CertificateError } from '@sallyport/tls/certificate-error';
import { certificateFacts, type CertificateFacts } from '@sallyport/tls/certificate-facts';
import { hasUsage } from '@sallyport/tls/peer-certificate';
import type { ClientIdentity } from '../platform/client-identity.ts';
import {
  clientCertificateMisused,
  clientCertificateUnnamed,
  clientCertificateUntrusted,
} from './agent-refusals.ts';
import type { ClientCertificate } from './client-certificate.ts';

/**
 * Whose certificate of the organisation's own CA this is: `uri:spiffe://corp/db-7`. It was verified by the handshake
 * under the CAs of that time, and must come from one of `authorities` now.
 *
 * @throws AppError `client_certificate.untrusted`, `client_certificate.wrong_usage`, `client_certificate.no_identity`
 */
export function organisationIdentity(
  shown: ClientCertificate,
  authorities: readonly string[],
  kind: ClientIdentity,
): string {
  if (!comesFrom(shown.chain, authorities)) throw clientCertificateUntrusted();
  const { certificate, keyThumbprint } = shown;
  if (!hasUsage(certificate, 'clientAuth')) throw clientCertificateMisused();
  if (kind === 'key') return `key:${keyThumbprint}`;
  const names = namesOf(certificate, kind);
  const [name] = names;
  if (name === undefined || names.length !== 1) throw clientCertificateUnnamed(kind, names.length);
  return `${kind}:${name}`;
}

/** Up the chain as it was shown, each signed by the next, until one of the CAs signed or is the last. */
function comesFrom(chain: readonly X509Certificate[], authorities: readonly string[]): boolean {
  const trusted = authorities.map((pem) => new X509Certificate(pem));
  for (const [index, certificate] of chain.entries()) {
    if (trusted.some((ca) => ca.fingerprint256 === certificate.fingerprint256)) return true;
    if (trusted.some((ca) => isIssuedBy(certificate, ca))) return true;
    const next = chain[index + 1];
    if (next === undefined || !isIssuedBy(certificate, next)) return false;
  }
  return false;
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function namesOf(certificate: X509Certificate, kind: Exclude<ClientIdentity, 'key'>): string[] {
  const { uris, dnsNames, ipAddresses } = factsOf(certificate);
  // A wildcard is many hosts, and so nobody's name.
  const names = { uri: uris, dns: dnsNames.filter((name) => !name.includes('*')), ip: ipAddresses };
  return names[kind];
}

function factsOf(
  certificate: X509Certificate,
): Pick<CertificateFacts, 'uris' | 'dnsNames' | 'ipAddresses'> {
  try {
    return certificateFacts(certificate);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    // Without a name, or with names or a key that nobody should go by.
    return { uris: [], dnsNames: [], ipAddresses: [] };
  }
}
