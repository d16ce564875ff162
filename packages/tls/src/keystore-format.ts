import { KeystoreError, type StoreKind } from './keystore-error.ts';

/** What a file is in, or `auto` for what its content says. */
export type StoreType = 'auto' | StoreFormat;
export type StoreFormat = 'pem' | 'pkcs12' | 'jks';

/** Many times what a server's keystore takes, and several times the list of all public CAs. */
export const MAX_STORE_BYTES = 1_048_576;

const JKS_MAGIC = Buffer.from('feedfeed', 'hex');
const JCEKS_MAGIC = Buffer.from('cececece', 'hex');
/** `version INTEGER { v3(3) }`, with which a PFX begins (RFC 7292, section 4). */
const PFX_VERSION = Buffer.from('020103', 'hex');
const SEQUENCE = 0x30;
const names: Record<StoreFormat, string> = { pem: 'PEM', pkcs12: 'PKCS#12', jks: 'JKS' };

/**
 * The format of a file, by its content; its name is never looked at.
 *
 * @throws KeystoreError `keystore.too_large`, `keystore.jceks`, `keystore.format_unknown`, `keystore.other_type`
 */
export function formatOf(file: Buffer, kind: StoreKind, type: StoreType): StoreFormat {
  if (file.byteLength > MAX_STORE_BYTES) throw tooLarge(kind);
  const format = recognised(file, kind);
  if (type === 'auto' || type === format) return format;
  throw new KeystoreError(
    'keystore.other_type',
    kind,
    `The ${kind} is in ${names[format]}, and another type is set for it: set the type to ${format} or to auto, or give a file in ${names[type]}.`,
  );
}

export function tooLarge(kind: StoreKind): KeystoreError {
  return new KeystoreError(
    'keystore.too_large',
    kind,
    `The ${kind} has more than ${MAX_STORE_BYTES} bytes: give a file of the certificates that this link needs alone.`,
  );
}

function recognised(file: Buffer, kind: StoreKind): StoreFormat {
  if (beginsWith(file, JKS_MAGIC)) return 'jks';
  if (beginsWith(file, JCEKS_MAGIC))
    throw new KeystoreError(
      'keystore.jceks',
      kind,
      `The ${kind} is in JCEKS, which is not read: convert it with keytool -importkeystore -srckeystore old.jceks -srcstoretype JCEKS -destkeystore new.p12 -deststoretype PKCS12`,
    );
  if (isPfx(file)) return 'pkcs12';
  if (file.includes('-----BEGIN ')) return 'pem';
  throw new KeystoreError(
    'keystore.format_unknown',
    kind,
    `The ${kind} is neither PEM nor PKCS#12 nor JKS, or it is damaged at its beginning: export it again in one of these.`,
  );
}

function isPfx(file: Buffer): boolean {
  const [tag, length = 0] = file;
  // The length is in this byte or, from 0x80 on, in as many more as its lower bits say (X.690, section 8.1.3).
  const start = length > 0x80 ? 2 + (length & 0x7f) : 2;
  return tag === SEQUENCE && beginsWith(file.subarray(start), PFX_VERSION);
}

function beginsWith(file: Buffer, start: Buffer): boolean {
  return file.subarray(0, start.byteLength).equals(start);
}
