import type { Server, TLSSocket } from 'node:tls';
import { connectionFailure } from './connection-failure.ts';
import { LinkError } from './link-error.ts';
import { plainAddress } from './plain-address.ts';

const UNKNOWN_ISSUER: ReadonlySet<unknown> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Tells of each handshake that fails. Whoever is hung up on when the server has stopped listening is not refused. */
export function tellOfRefused(server: Server, onRefused: (why: LinkError) => void): void {
  server.on('tlsClientError', (error, socket) => {
    if (server.listening) onRefused(inboundFailure(error, socket));
  });
}

/** Why a connection that came in was not let in, as the address that it came from and what it showed tell. */
function inboundFailure(error: Error, socket: TLSSocket): LinkError {
  // A code, whatever its type says; null where the handshake did not get that far.
  const verification: unknown = socket.authorizationError;
  const peer = `The peer at ${plainAddress(socket.remoteAddress ?? 'an unknown address')}`;
  if (typeof verification === 'string')
    return peerFailure(Object.assign(new Error(verification), { code: verification }), peer);
  if ('code' in error && error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE')
    return noCertificate(peer);
  return connectionFailure(error, peer);
}

export function noCertificate(peer: string): LinkError {
  const text = `${peer} showed no certificate of its own; check that it is the one that is meant.`;
  return new LinkError('tls.no_certificate', text, { retryable: false });
}

/** As `connectionFailure`, where both sides show certificates: tells a chain that cannot be followed from one that is foreign. */
export function peerFailure(error: Error, peer: string): LinkError {
  if (!('code' in error) || !UNKNOWN_ISSUER.has(error.code)) return connectionFailure(error, peer);
  return new LinkError(
    'tls.chain_incomplete',
    `${peer} has a certificate whose issuer is not known: an intermediate certificate is missing there, or the CA that it leads to is not trusted here.`,
    { retryable: false },
  );
}
