import { hash, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { clientCertificateExpired, clientCertificateUntrusted } from './agent-refusals.ts';
import { keyThumbprint } from './certificate-request.ts';

/** The certificate that a connection was made with. */
export type ClientCertificate = {
  /** As in `x5t#S256` (RFC 8705, section 3.1). */
  digest: string;
  keyThumbprint: string;
  /** The one URI that it is for; undefined when it has none, or other names. */
  uri: string | undefined;
  notAfterMs: number;
  certificate: X509Certificate;
};

type Shown = { certificate: ClientCertificate; refusal: string | null };
const shownBy = new WeakMap<Socket, Shown | undefined>();

/**
 * What the peer of a connection showed, read once for each connection; undefined when it showed nothing.
 *
 * @throws AppError `client_certificate.untrusted`, `client_certificate.expired`
 */
export function clientCertificateOf(socket: Socket, nowMs: number): ClientCertificate | undefined {
  if (!shownBy.has(socket)) shownBy.set(socket, read(socket));
  const shown = shownBy.get(socket);
  if (shown === undefined) return undefined;
  // By both clocks: OpenSSL's at the handshake, and this program's since, as connections last.
  if (shown.refusal === 'CERT_HAS_EXPIRED' || shown.certificate.notAfterMs <= nowMs)
    throw clientCertificateExpired();
  if (shown.refusal !== null) throw clientCertificateUntrusted();
  return shown.certificate;
}

function read(socket: Socket): Shown | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  // On a connection that was dialled the agent is the server, and what it shows is that server's. Null where it is not.
  if (socket.getEphemeralKeyInfo() !== null) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { publicKey, validToDate } = certificate;
  return {
    certificate: {
      digest: hash('sha256', certificate.raw, 'base64url'),
      keyThumbprint: keyThumbprint(publicKey.export({ format: 'der', type: 'spki' })),
      uri: /^URI:([^",\s]+)$/.exec(certificate.subjectAltName ?? '')?.[1],
      notAfterMs: validToDate.getTime(),
      certificate,
    },
    refusal: socket.authorized ? null : `${socket.authorizationError}`,
  };
}
