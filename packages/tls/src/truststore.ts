import type { KeyObject, X509Certificate } from 'node:crypto';
import { parseCertificates } from './certificate-chain.ts';
import { CertificateError } from './certificate-error.ts';
import { keyAlgorithmOf } from './certificate-facts.ts';
import { openJks } from './jks.ts';
import { KeystoreError, readingOf, requiredPassword } from './keystore-error.ts';
import { formatOf, type StoreFormat, type StoreType } from './keystore-format.ts';
import { pemBlocksOfFile } from './pem.ts';
import { openPkcs12Bags } from './pkcs12.ts';
import { isSelfSigned } from './self-issued.ts';

type TruststoreOptions = { password?: string | undefined; type?: StoreType };
type Contents = { keys: readonly unknown[]; certificates: readonly (string | Buffer)[] };
type Opener = (file: Buffer, password: string | undefined) => Promise<Contents> | Contents;

/** A handshake looks through all of them. The list of all public CAs has fewer than 200. */
const MAX_CERTIFICATES = 512;

/**
 * Reads the certificates that are trusted from a file in PEM, PKCS#12 or JKS: PEM each, without repetition.
 * Each is a CA's, or signed by itself and thereby its own CA. PKCS#12 and JKS need their password. Whether one
 * has expired is for the handshake to say, as it matters only for what that one signed.
 *
 * @throws KeystoreError
 */
export function readTruststore(
  bytes: Uint8Array,
  { password, type = 'auto' }: TruststoreOptions = {},
): Promise<string[]> {
  return readingOf('truststore', async () => {
    const file = Buffer.from(bytes);
    const open = openers[formatOf(file, 'truststore', type)];
    const { keys, certificates } = await open(file, password);
    if (keys.length > 0)
      throw new KeystoreError(
        'truststore.holds_key',
        'truststore',
        'The truststore holds a private key, which belongs in a keystore: give a file of the certificates of the CAs alone.',
      );
    if (certificates.length === 0 || certificates.length > MAX_CERTIFICATES)
      throw new CertificateError(
        'certificate.keystore_incomplete',
        'keystore',
        `The truststore must hold from 1 to ${MAX_CERTIFICATES} certificates, those of the CAs that are trusted.`,
      );
    const parsed = certificates.flatMap((certificate) => parseCertificates([certificate]));
    for (const certificate of parsed) refuseNoCa(certificate);
    return [...new Set(parsed.map((certificate) => certificate.toString()))];
  });
}

const openers: Record<StoreFormat, Opener> = {
  pem: (file) => {
    const blocks = pemBlocksOfFile(file);
    return {
      keys: blocks.filter(({ label }) => label.endsWith('PRIVATE KEY')),
      certificates: blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ text }) => text),
    };
  },
  pkcs12: (file, password) => openPkcs12Bags(file, requiredPassword('truststore', password)),
  jks: (file, password) => {
    const { keys, trusted } = openJks(file, requiredPassword('truststore', password));
    return { keys, certificates: trusted };
  },
};

function refuseNoCa(certificate: X509Certificate): void {
  keyAlgorithmOf(publicKeyOf(certificate));
  if (certificate.ca || isSelfSigned(certificate)) return;
  throw new KeystoreError(
    'truststore.not_ca',
    'truststore',
    'The truststore holds a certificate that is neither that of a CA nor signed by itself, so that nothing would verify with it: give the certificate of the CA that issued it.',
  );
}

function publicKeyOf(certificate: X509Certificate): KeyObject {
  try {
    return certificate.publicKey;
  } catch (error) {
    throw new CertificateError(
      'certificate.chain_malformed',
      'keystore',
      'A certificate of the truststore has a key that is damaged, or of a kind that is not known here: export it again, or leave it out.',
      error,
    );
  }
}
