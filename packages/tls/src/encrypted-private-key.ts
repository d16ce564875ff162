import type { KeyObject } from 'node:crypto';
import { octetsOf, readAsn1, sequenceOf } from './asn1.ts';
import { CertificateError } from './certificate-error.ts';
import { IterationBudget, readDecryption } from './password-encryption.ts';
import type { PemBlock } from './pem.ts';
import { privateKeyFromDer } from './private-key.ts';

const PKCS8 = 'ENCRYPTED PRIVATE KEY';

/** Whether a PEM block is a private key that a password protects, in either form. */
export function isEncryptedKey({ label, text }: PemBlock): boolean {
  return label === PKCS8 || (label.endsWith('PRIVATE KEY') && text.includes('4,ENCRYPTED'));
}

/**
 * Decrypts an EncryptedPrivateKeyInfo (RFC 5958, section 3) under PBES2 with AES. What it asks for in
 * iterations is counted before any is done. OpenSSL's older form, which has none, is refused by name.
 *
 * @throws CertificateError `certificate.key_malformed`, `certificate.key_encrypted`, `certificate.keystore_legacy`, `certificate.keystore_too_costly`, `certificate.keystore_password_wrong`
 */
export async function decryptPrivateKey(block: PemBlock, password: string): Promise<KeyObject> {
  if (block.label !== PKCS8)
    throw refusal('key_encrypted', 'is encrypted in a form that is quickly guessed through');
  const { decrypt, ciphertext } = read(block.text);
  let der: Buffer = Buffer.alloc(0);
  try {
    der = await decrypt(password, ciphertext);
    return privateKeyFromDer(der);
  } catch {
    // Without the cause, which would tell what a wrong password made of the key.
    throw new CertificateError(
      'certificate.keystore_password_wrong',
      'password',
      'The password is not that of the private key, or the key is damaged; its format cannot tell which of the two.',
    );
  } finally {
    der.fill(0);
  }
}

function read(text: string) {
  const der = Buffer.from(text.replaceAll(/-----[^-]+-----/g, ''), 'base64');
  try {
    const [algorithm, ciphertext] = sequenceOf(readAsn1(der));
    const decrypt = readDecryption(algorithm, new IterationBudget());
    return { decrypt, ciphertext: octetsOf(ciphertext) };
  } catch (error) {
    if (!(error instanceof CertificateError))
      throw refusal('key_malformed', 'is damaged, or encrypted in a way that is not known here');
    throw error.code === 'certificate.keystore_legacy'
      ? refusal('keystore_legacy', 'is encrypted with RC2, DES or triple DES')
      : refusal('keystore_too_costly', 'asks for more iterations of its password than are done');
  }
}

type Refusal = 'key_encrypted' | 'key_malformed' | 'keystore_legacy' | 'keystore_too_costly';

function refusal(code: Refusal, reason: string): CertificateError {
  return new CertificateError(
    `certificate.${code}`,
    'key',
    `The private key ${reason}: make it again with openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem && sed -n '/BEGIN CERT/,/END CERT/p' old.pem >> new.pem`,
  );
}
