import { X509Certificate } from 'node:crypto';
import { LinkError } from './link-error.ts';

/**
 * `SHA256:AA:BB:…` from 64 hexadecimal digits in either case, with or without the prefix and the colons.
 * Throws `LinkError` `tls.fingerprint_malformed`.
 */
export function normalizeFingerprint(text: string): string {
  const digits = text.trim().replace(/^sha256:/i, '');
  if (!/^([0-9a-f]{2}(:[0-9a-f]{2}){31}|[0-9a-f]{64})$/i.test(digits)) {
    throw new LinkError(
      'tls.fingerprint_malformed',
      'A fingerprint is SHA256: and 64 hexadecimal digits, with or without colons; copy it from the start of the server.',
      { retryable: false },
    );
  }
  const pairs = digits.replaceAll(':', '').toUpperCase().match(/../g) ?? [];
  return `SHA256:${pairs.join(':')}`;
}

/** The fingerprint of a certificate (PEM or DER), in the form of `normalizeFingerprint`. */
export function certificateFingerprint(certificate: string | Buffer | X509Certificate): string {
  const parsed =
    certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
  return `SHA256:${parsed.fingerprint256}`;
}
