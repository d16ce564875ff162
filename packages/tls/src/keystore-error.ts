import { CertificateError, type CertificateErrorCode } from './certificate-error.ts';

/** What only files of keys or of trusted certificates are refused for; no upload is. */
type FileErrorCode =
  | 'keystore.format_unknown'
  | 'keystore.jceks'
  | 'keystore.other_type'
  | 'keystore.password_missing'
  | 'keystore.too_large'
  | 'keystore.unreadable'
  | 'keystore.wrong_usage'
  | 'truststore.holds_key'
  | 'truststore.not_ca';

export type KeystoreErrorCode = CertificateErrorCode | FileErrorCode;

/** Which of the two files. */
export type StoreKind = 'keystore' | 'truststore';

/** Why a keystore or truststore is not taken. The message says what to do, and quotes nothing of the file or its password. */
export class KeystoreError extends Error {
  readonly code: KeystoreErrorCode;
  /** What to change: the file, or its password. */
  readonly field: StoreKind | 'password';

  constructor(
    code: KeystoreErrorCode,
    field: StoreKind | 'password',
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KeystoreError';
    this.code = code;
    this.field = field;
  }
}

/** Runs what reads a file; what it refuses is told of that file. @throws KeystoreError */
export async function readingOf<Store>(
  kind: StoreKind,
  read: () => Promise<Store>,
): Promise<Store> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    const { code, field, message, cause } = error;
    throw new KeystoreError(code, field === 'password' ? field : kind, message, cause);
  }
}

/** @throws KeystoreError `keystore.password_missing` */
export function requiredPassword(kind: StoreKind, password: string | undefined): string {
  if (password !== undefined) return password;
  throw new KeystoreError(
    'keystore.password_missing',
    'password',
    `The ${kind} is protected by a password, and none is set for it: set the password that it was made with.`,
  );
}
