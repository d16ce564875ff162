import { X509Certificate } from 'node:crypto';

/** As OpenSSL takes it, which has older names for it, too; and one without its end, which is no certificate. */
const PEM = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*(?:-----END \1-----)?/g;

/** What a file in PEM holds under the name of a certificate, damaged ones among them. */
export function certificatesInPem(file: string): string[] {
  return file.match(PEM) ?? [];
}

/** Whether each is a certificate. */
export function areCertificates(encoded: readonly string[]): boolean {
  try {
    return encoded.every((pem) => new X509Certificate(pem).raw.length > 0);
  } catch {
    return false;
  }
}

/** Whether a file in PEM holds certificates, and none that is damaged: OpenSSL would leave that one out and say nothing. */
export function holdsCertificates(file: string): boolean {
  const own = certificatesInPem(file);
  const markers = file.match(/-----(?:BEGIN|END) [A-Z0-9 ]*CERT/g) ?? [];
  return own.length > 0 && markers.length === 2 * own.length && areCertificates(own);
}
