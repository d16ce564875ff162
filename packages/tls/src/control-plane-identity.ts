import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { LinkError } from './link-error.ts';
import { assertNamed, refuseAgentAsControlPlane } from './peer-certificate.ts';

/**
 * `checkServerIdentity` of every connection to a control plane, for a certificate that is verified up to a trusted
 * CA: an agent's is refused, whatever other names it has. It must have `peerName`, or else be for the host that is
 * connected to, which is Node's own check (RFC 9525), but for a host name where it has no DNS name: Node would take
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
  if (isIP(host) === 0 && !/(?:^|, )DNS:/.test(peer.subjectaltname ?? ''))
    return new LinkError(
      'tls.name_mismatch',
      'The server’s certificate has no DNS name among its subject alternative names; have it issued with the name that is connected to.',
      { retryable: false },
    );
  return checkServerIdentity(host, peer);
}
