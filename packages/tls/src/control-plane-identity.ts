import { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';
import { LinkError } from './link-error.ts';
import { assertNamed, refuseAgentAsControlPlane } from './peer-certificate.ts';

/**
 * `checkServerIdentity` of every connection to a control plane, for a certificate that is verified up to a trusted
 * CA: an agent's is refused, whatever other names it has. It must have `peerName`, or else be for the host that is
 * connected to, which is Node's own check (RFC 9525), but for one that has no DNS name or IP address: Node would take
 * its common name for one.
 */
export function controlPlaneIdentity(peerName?: string): typeof checkServerIdentity {
  return (host, peer) => {
    try {
      const certificate = new X509Certificate(peer.raw);
      refuseAgentAsControlPlane(certificate);
      if (peerName === undefined) return isForHost(host, peer);
      assertNamed(certificate, peerName);
      return undefined;
    } catch (error) {
      if (error instanceof LinkError) return error;
      throw error;
    }
  };
}

function isForHost(...[host, peer]: Parameters<typeof checkServerIdentity>): Error | undefined {
  const names = peer.subjectaltname ?? '';
  if (!/(?:^|, )(?:DNS|IP Address):/.test(names))
    return new LinkError(
      'tls.name_mismatch',
      'The server’s certificate has no DNS name and no IP address among its subject alternative names; have it issued with the name that is connected to.',
      { retryable: false },
    );
  return checkServerIdentity(host, peer);
}
