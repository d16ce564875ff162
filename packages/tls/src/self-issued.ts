import type { X509Certificate } from 'node:crypto';

/** Whether a certificate is its own issuer's, by name and by signature. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}
