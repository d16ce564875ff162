export type CertificateErrorCode =
  | 'certificate.chain_incomplete'
  | 'certificate.chain_invalid'
  | 'certificate.chain_malformed'
  | 'certificate.chain_too_long'
  | 'certificate.chain_unrelated'
  | 'certificate.expired'
  | 'certificate.key_encrypted'
  | 'certificate.key_malformed'
  | 'certificate.key_mismatch'
  | 'certificate.key_weak'
  | 'certificate.not_yet_valid'
  | 'certificate.no_names'
  | 'certificate.keystore_incomplete'
  | 'certificate.keystore_legacy'
  | 'certificate.keystore_malformed'
  | 'certificate.keystore_password_wrong'
  | 'certificate.keystore_too_costly'
  | 'certificate.signature_weak';

/** What the error is about: a part of an upload, or a file. */
export type CertificateField = 'chain' | 'key' | 'pkcs12' | 'keystore' | 'password';

/** Why a certificate is not taken. The message says what to do, and quotes nothing of the input but names of certificates. */
export class CertificateError extends Error {
  readonly code: CertificateErrorCode;
  readonly field: CertificateField;

  constructor(
    code: CertificateErrorCode,
    field: CertificateField,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CertificateError';
    this.code = code;
    this.field = field;
  }
}
