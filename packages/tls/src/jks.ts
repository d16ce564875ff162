import { hash, timingSafeEqual } from 'node:crypto';
import { Asn1Error, octetsOf, oidOf, readAsn1, sequenceOf } from './asn1.ts';
import { CertificateError } from './certificate-error.ts';

const MAGIC = 0xfeedfeed;
/** Version 1 is that of Java 1.1; nothing in use writes it. */
const VERSION = 2;
const PRIVATE_KEY = 1;
const TRUSTED_CERTIFICATE = 2;
const WHITENER = Buffer.from('Mighty Aphrodite');
/** Of SHA-1, on which everything in this format rests. */
const DIGEST_BYTES = 20;
const TIMESTAMP_BYTES = 8;
/** Sun's own protection of keys. */
const KEY_PROTECTOR = '1.3.6.1.4.1.42.2.17.1.1';

/** What a file holds, certificates in DER: chains with their keys as yet encrypted, and certificates that are trusted. */
export type JksContents = { keys: JksKey[]; trusted: Buffer[] };
export type JksKey = { sealed: Buffer; chain: Buffer[] };

/**
 * Opens a JKS file (`sun.security.provider.JavaKeyStore`). Its digest covers every byte and is compared before
 * anything is read, so that a changed file is refused wherever it was changed.
 *
 * @throws CertificateError `certificate.keystore_password_wrong`, `certificate.keystore_malformed`
 */
export function openJks(file: Buffer, password: string): JksContents {
  const body = file.subarray(0, -DIGEST_BYTES);
  const digest = sha1(passwordBytes(password), WHITENER, body);
  if (!isSame(digest, file.subarray(-DIGEST_BYTES)))
    throw new CertificateError(
      'certificate.keystore_password_wrong',
      'password',
      'The password is not that of the JKS file, or the file is damaged; its format cannot tell which of the two.',
    );
  const reader = new JksReader(body);
  if (reader.number() !== MAGIC || reader.number() !== VERSION) throw malformed();
  const contents: JksContents = { keys: [], trusted: [] };
  for (let left = reader.number(); left > 0; left -= 1) readEntry(reader, contents);
  if (!reader.isAtEnd()) throw malformed();
  return contents;
}

/**
 * Decrypts a key with the password of its file, into a PrivateKeyInfo (RFC 5208, section 5).
 *
 * @throws CertificateError `certificate.keystore_password_wrong`, `certificate.keystore_malformed`
 */
export function decryptJksKey({ sealed }: JksKey, password: string): Buffer {
  const data = protectedData(sealed);
  const secret = passwordBytes(password);
  const plain = Buffer.from(data.subarray(DIGEST_BYTES, -DIGEST_BYTES));
  // The stream that the key is combined with: digests, of which each is made of the one before, the salt first.
  let pad = data.subarray(0, DIGEST_BYTES);
  for (const [at, byte] of plain.entries()) {
    const offset = at % DIGEST_BYTES;
    if (offset === 0) pad = sha1(secret, pad);
    plain.writeUInt8(byte ^ pad.readUInt8(offset), at);
  }
  if (isSame(sha1(secret, plain), data.subarray(-DIGEST_BYTES))) return plain;
  plain.fill(0);
  throw new CertificateError(
    'certificate.keystore_password_wrong',
    'password',
    'The private key of the JKS file has another password than the file itself: make them the same with keytool -keypasswd.',
  );
}

/** Salt, ciphertext and digest of an EncryptedPrivateKeyInfo. */
function protectedData(sealed: Buffer): Buffer {
  try {
    const [algorithm, data] = sequenceOf(readAsn1(sealed));
    if (oidOf(sequenceOf(algorithm)[0]) === KEY_PROTECTOR) return octetsOf(data);
  } catch (error) {
    if (!(error instanceof Asn1Error)) throw error;
  }
  throw malformed();
}

function readEntry(reader: JksReader, { keys, trusted }: JksContents): void {
  const tag = reader.number();
  reader.text();
  reader.take(TIMESTAMP_BYTES);
  if (tag === TRUSTED_CERTIFICATE) trusted.push(readCertificate(reader));
  else if (tag === PRIVATE_KEY) keys.push(readKey(reader));
  else throw malformed();
}

function readKey(reader: JksReader): JksKey {
  const key: JksKey = { sealed: reader.take(reader.number()), chain: [] };
  for (let left = reader.number(); left > 0; left -= 1) key.chain.push(readCertificate(reader));
  return key;
}

function readCertificate(reader: JksReader): Buffer {
  if (!reader.text().equals(Buffer.from('X.509'))) throw malformed();
  return reader.take(reader.number());
}

/** Numbers are big-endian. No count or length is believed beyond the bytes that are there. */
class JksReader {
  #left: Buffer;

  constructor(bytes: Buffer) {
    this.#left = bytes;
  }

  isAtEnd(): boolean {
    return this.#left.byteLength === 0;
  }

  take(length: number): Buffer {
    if (length > this.#left.byteLength) throw malformed();
    const taken = this.#left.subarray(0, length);
    this.#left = this.#left.subarray(length);
    return taken;
  }

  /** Of 32 bits. */
  number(): number {
    return this.take(4).readUInt32BE();
  }

  text(): Buffer {
    return this.take(this.take(2).readUInt16BE());
  }
}

function passwordBytes(password: string): Buffer {
  return Buffer.from(password, 'utf16le').swap16();
}

function sha1(...parts: Buffer[]): Buffer {
  return hash('sha1', Buffer.concat(parts), 'buffer');
}

function isSame(made: Buffer, given: Buffer): boolean {
  return made.byteLength === given.byteLength && timingSafeEqual(made, given);
}

function malformed(): CertificateError {
  return new CertificateError(
    'certificate.keystore_malformed',
    'keystore',
    'The JKS file is damaged, or holds what is no certificate and no private key: make it again with keytool.',
  );
}
