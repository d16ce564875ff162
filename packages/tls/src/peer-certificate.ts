import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { CertificateError } from './certificate-error.ts';
import { certificateFacts, type CertificateFacts } from './certificate-facts.ts';
import { keyThumbprint } from './key-thumbprint.ts';
import { LinkError, type LinkErrorCode } from './link-error.ts';

/** The name of the client certificate that a control plane makes for itself, as a URI in its SAN. */
export const CONTROL_PLANE_NAME = 'spiffe://sallyport/control-plane';

/** Extended key usages (RFC 5280, section 4.2.1.12). */
const usages = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;
export type Usage = keyof typeof usages;

/** In front of the digest of a public key, where a name is expected. */
const PINNED_KEY = 'key:';
const AGENT_URI = /^spiffe:\/\/[^/]*\/group\/[^/]+\/agent\/./i;

/**
 * Holds the certificate of a control plane that dialled this program, verified up to a CA that is trusted,
 * against what Node does not look at in a client's: its extended key usage, and its names, one of which is
 * `name`, as `assertNamed` takes it.
 *
 * @throws LinkError `tls.wrong_usage`, `tls.agent_certificate`, `tls.name_mismatch`, `tls.certificate_unusable`
 */
export function assertDialledByControlPlane(certificate: X509Certificate, name: string): void {
  assertUsage(certificate, 'clientAuth', 'control plane');
  refuseAgentAsControlPlane(certificate);
  assertNamed(certificate, name);
}

/**
 * Holds a control plane's certificate against the name that is expected: a URI, a host name, an IP address, or
 * `key:` and the SHA-256 of its public key (SubjectPublicKeyInfo) in base64url.
 *
 * @throws LinkError `tls.name_mismatch`, `tls.certificate_unusable`
 */
export function assertNamed(certificate: X509Certificate, name: string): void {
  if (!isNamed(certificate, name))
    throw refusal(
      'tls.name_mismatch',
      'The control plane’s certificate does not have the name that is expected of it; have it issued with that name, or expect one that it has.',
    );
}

/**
 * Holds the certificate of an agent that was dialled at `host`, a host name or an IP address, and that is
 * trusted by its pin or its CA, against its extended key usage and its names.
 *
 * @throws LinkError `tls.wrong_usage`, `tls.name_mismatch`
 */
export function assertDialledAgent(certificate: X509Certificate, host: string): void {
  assertUsage(certificate, 'serverAuth', 'agent');
  if (!coversHost(certificate, host, { wildcards: true }))
    throw refusal(
      'tls.name_mismatch',
      'The agent’s certificate is for other names than the address of the link; dial one that it holds, or have it issued with this one too.',
    );
}

/**
 * An agent's certificate, whichever CA it is from, never makes anybody the control plane.
 *
 * @throws LinkError `tls.agent_certificate`, or `tls.certificate_unusable` for names that cannot be read
 */
export function refuseAgentAsControlPlane(certificate: X509Certificate): void {
  if (factsOf(certificate).uris.some((uri) => AGENT_URI.test(uri)))
    throw refusal(
      'tls.agent_certificate',
      'The peer is no control plane: its certificate is that of an agent, which may not act as one; find out who has its key.',
    );
}

/**
 * Whether the certificate of a client, verified up to a CA that is trusted, is for clients and has one of
 * `names`: URIs, host names or IP addresses.
 *
 * @throws LinkError `tls.certificate_unusable` for names that cannot be read
 */
export function isNamedClient(certificate: X509Certificate, names: readonly string[]): boolean {
  return hasUsage(certificate, 'clientAuth') && names.some((name) => isNamed(certificate, name));
}

/** Whether a certificate names this among its extended key usages; one that names none is for nothing here. */
export function hasUsage(certificate: X509Certificate, usage: Usage): boolean {
  // Not there at all in a certificate without the extension, whatever its type says.
  const allowed: readonly string[] | undefined = certificate.keyUsage;
  return allowed?.includes(usages[usage]) === true;
}

function assertUsage(certificate: X509Certificate, usage: Usage, whose: string): void {
  if (hasUsage(certificate, usage)) return;
  throw refusal(
    'tls.wrong_usage',
    `The ${whose}’s certificate lacks the extended key usage ${usage}; have it issued with that.`,
  );
}

/** A name is one peer's, and not everybody's below it: wildcards are for servers that are dialled by their host. */
function isNamed(certificate: X509Certificate, name: string): boolean {
  if (name.startsWith(PINNED_KEY))
    return keyThumbprint(certificate.publicKey) === name.slice(PINNED_KEY.length);
  if (name.includes('://')) return factsOf(certificate).uris.includes(name);
  return !name.startsWith('.') && coversHost(certificate, name, { wildcards: false });
}

function coversHost(
  certificate: X509Certificate,
  host: string,
  { wildcards }: { wildcards: boolean },
): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host, { subject: 'never', wildcards }) !== undefined;
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  try {
    return certificateFacts(certificate);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw refusal('tls.certificate_unusable', error.message);
  }
}

function refusal(code: LinkErrorCode, message: string): LinkError {
  return new LinkError(code, message, { retryable: false });
}
