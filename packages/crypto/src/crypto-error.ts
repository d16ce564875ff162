/** Why something could not be opened or verified; the closed set of this package's errors. */
export type CryptoErrorCode =
  | 'root_key.malformed'
  | 'envelope.malformed'
  | 'envelope.unreadable'
  | 'token.malformed'
  | 'hash.malformed'
  | 'hash.not_permitted'
  | 'bundle.malformed'
  | 'bundle.unreadable'
  | 'bundle.unsigned'
  | 'bundle.wrong_part'
  | 'bundle.wrong_group'
  | 'bundle.wrong_epoch'
  | 'bundle.unknown_signer'
  | 'delivery_key.unreadable'
  | 'lease.unreadable'
  | 'encryption_key.unusable'
  | 'checkpoint.malformed'
  | 'checkpoint.unsigned'
  | 'checkpoint.bad_key'
  | 'jwt.invalid'
  | 'jwt.expired'
  | 'jwt.not_yet_valid';

/** A refusal with a stable code. The message never carries key material or plaintext. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CryptoError';
    this.code = code;
  }
}
