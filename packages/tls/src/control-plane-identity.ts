import { X509Certificate } from 'node:crypto';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { LinkError } from './link-error.ts';
import { refuseAgentAsControlPlane } from './peer-certificate.ts';

/**
 * `checkServerIdentity` of every connection to a control plane, for a certificate that is verified up to a trusted
 * CA: an agent's is refused, whatever other names it has, and so is one that has no DNS name or IP address, as
 * Node would take its common name for one. For the rest Node's own check decides (RFC 9525).
 */
export function controlPlaneIdentity(host: string, peer: PeerCertificate): Error | undefined {
  try {
    refuseAgentAsControlPlane(new X509Certificate(peer.raw));
  } catch (error) {
    if (error instanceof LinkError) return error;
    throw error;
  }
  const names = peer.subjectaltname ?? '';
  if (!/(?:^|, )(?:DNS|IP Address):/.test(names))
    return new LinkError(
      'tls.name_mismatch',
      'The server’s certificate has no DNS name and no IP address among its subject alternative names; have it issued with the name that is connected to.',
      { retryable: false },
    );
  return checkServerIdentity(host, peer);
}
