import { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';
import { LinkError } from './link-error.ts';
import { assertNamed, refuseAgentAsControlPlane } from './peer-certificate.ts';

/**
 * `checkServerIdentity` of every connection to a control plane, for a certificate that is verified up to a trusted
 * CA: an agent's is refused, whatever other names it has. It must have `peerName`, or else be for the host that is
 * connected to.
 */
export function controlPlaneIdentity(peerName?: string): typeof checkServerIdentity {
  return (host, peer) => {
    try {
      const certificate = new X509Certificate(peer.raw);
      refuseAgentAsControlPlane(certificate);
      if (peerName === undefined) return hostIdentity(host, peer);
      assertNamed(certificate, peerName);
      return undefined;
    } catch (error) {
      if (error instanceof LinkError) return error;
      throw error;
    }
  };
}

/** Node's own check (RFC 9525), which must not take a common name for a host's where there is no DNS name. */
export const hostIdentity: typeof checkServerIdentity = (host, peer) =>
  checkServerIdentity(host, { ...peer, subject: { ...peer.subject, CN: '' } });
