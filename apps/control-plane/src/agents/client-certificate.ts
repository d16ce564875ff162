import { hash, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { keyThumbprint } from '@sallyport/tls/key-thumbprint';
import { presentedChain } from '@sallyport/tls/presented-chain';
import {
  clientCertificateExpired,
  clientCertificateIncomplete,
  clientCertificateMisused,
  clientCertificateUntrusted,
} from './agent-refusals.ts';

/** The certificate that a connection was made with. */
export type ClientCertificate = {
  /** As in `x5t#S256` (RFC 8705, section 3.1). */
  digest: string;
  keyThumbprint: string;
  /** The one URI that it is for; undefined when it has none, or other names. */
  uri: string | undefined;
  notAfterMs: number;
  certificate: X509Certificate;
  /** It and what came with it, as far as one follows from the other. */
  chain: X509Certificate[];
};

type Shown = { certificate: ClientCertificate; refusal: string | null };
const shownBy = new WeakMap<Socket, Shown | undefined>();

const NO_ISSUER: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * What the peer of a connection showed, read once for each connection; undefined when it showed nothing.
 * `takesChains`: CAs are trusted that certify others, which sign for clients.
 *
 * @throws AppError `client_certificate.untrusted`, `client_certificate.expired`, `client_certificate.wrong_usage`,
 * `client_certificate.chain_incomplete`
 */
export function clientCertificateOf(
  socket: Socket,
  nowMs: number,
  takesChains: boolean,
): ClientCertificate | undefined {
  if (!shownBy.has(socket)) shownBy.set(socket, read(socket));
  const shown = shownBy.get(socket);
  if (shown === undefined) return undefined;
  // By both clocks: OpenSSL's at the handshake, and this program's since, as connections last.
  if (shown.refusal === 'CERT_HAS_EXPIRED' || shown.certificate.notAfterMs <= nowMs)
    throw clientCertificateExpired();
  if (shown.refusal === null) return shown.certificate;
  if (shown.refusal === 'INVALID_PURPOSE') throw clientCertificateMisused();
  const cameAlone = shown.certificate.chain.length === 1;
  if (takesChains && cameAlone && NO_ISSUER.has(shown.refusal)) throw clientCertificateIncomplete();
  throw clientCertificateUntrusted();
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
      keyThumbprint: keyThumbprint(publicKey),
      uri: /^URI:([^",\s]+)$/.exec(certificate.subjectAltName ?? '')?.[1],
      notAfterMs: validToDate.getTime(),
      certificate,
      chain: presentedChain(socket),
    },
    refusal: socket.authorized ? null : `${socket.authorizationError}`,
  };
}
