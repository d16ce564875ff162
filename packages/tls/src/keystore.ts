import type { KeyObject } from 'node:crypto';
import { parseCertificates } from './certificate-chain.ts';
import { CertificateError } from './certificate-error.ts';
import { decryptPrivateKey, isEncryptedKey } from './encrypted-private-key.ts';
import { decryptJksKey, openJks } from './jks.ts';
import { readingOf, requiredPassword } from './keystore-error.ts';
import { formatOf, type StoreFormat, type StoreType } from './keystore-format.ts';
import { pemBlocksOfFile } from './pem.ts';
import { openPkcs12 } from './pkcs12.ts';
import { parsePrivateKey, privateKeyFromDer } from './private-key.ts';
import { checkedIdentity, type ServerIdentity } from './server-identity.ts';

/** A key (PKCS#8) and its chain, leaf first: PEM both, written anew, and what the leaf says of itself. */
export type Keystore = ServerIdentity;

type KeystoreOptions = { password?: string | undefined; type?: StoreType; nowMs: number };
/** What a file holds, the key not yet held against the certificates. */
type Contents = { key: KeyObject; certificates: readonly (string | Buffer)[] };
type Opener = (file: Buffer, password: string | undefined) => Promise<Contents> | Contents;

/**
 * Reads one private key and its certificates from a file in PEM, PKCS#12 or JKS, and refuses what an upload
 * would be refused for: a key of another certificate, a gap in the chain, what is weak, expired or without
 * names. PKCS#12, JKS and encrypted keys in PEM need their password; one that nothing needs is passed over.
 *
 * @throws KeystoreError
 */
export function readKeystore(
  bytes: Uint8Array,
  { password, type = 'auto', nowMs }: KeystoreOptions,
): Promise<Keystore> {
  return readingOf('keystore', async () => {
    const file = Buffer.from(bytes);
    const open = openers[formatOf(file, 'keystore', type)];
    const { key, certificates } = await open(file, password);
    if (certificates.length === 0) throw incomplete('a certificate of its key', 'none');
    return checkedIdentity(parseCertificates(certificates), key, nowMs);
  });
}

const openers: Record<StoreFormat, Opener> = {
  pem: openPem,
  pkcs12: async (file, password) => {
    const { key, certificates } = await openPkcs12(file, requiredPassword('keystore', password));
    return { key: keyFrom(key), certificates };
  },
  jks: (file, given) => {
    const password = requiredPassword('keystore', given);
    const [entry, ...others] = openJks(file, password).keys;
    if (entry === undefined || others.length > 0)
      throw incomplete(
        'one private key',
        'none, or more: copy the one that is meant with keytool -importkeystore -srcalias',
      );
    return { key: keyFrom(decryptJksKey(entry, password)), certificates: entry.chain };
  },
};

async function openPem(file: Buffer, password: string | undefined): Promise<Contents> {
  const blocks = pemBlocksOfFile(file);
  const [encrypted, ...others] = blocks.filter(isEncryptedKey);
  return {
    key:
      encrypted === undefined || others.length > 0
        ? parsePrivateKey(file.toString('latin1'))
        : await decryptPrivateKey(encrypted, requiredPassword('keystore', password)),
    certificates: blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ text }) => text),
  };
}

function keyFrom(der: Buffer): KeyObject {
  try {
    return privateKeyFromDer(der);
  } finally {
    der.fill(0);
  }
}

function incomplete(needed: string, found: string): CertificateError {
  return new CertificateError(
    'certificate.keystore_incomplete',
    'keystore',
    `The keystore must hold ${needed}, and holds ${found}.`,
  );
}
