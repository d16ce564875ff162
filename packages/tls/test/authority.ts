import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
};
const hour = 3_600_000;

/** What `tls.createServer` takes: the leaf followed by the CA, and the leaf's key. */
export type ServerIdentity = { cert: string; key: string };

export type Authority = {
  /** PEM. */
  ca: string;
  issue(subject?: IssueOptions): Promise<ServerIdentity>;
};

type IssueOptions = {
  dns?: string[];
  addresses?: string[];
  notBefore?: Date;
  notAfter?: Date;
  keyType?: 'EC' | 'RSA';
  subject?: string;
};

function newKeys(keyType = 'EC'): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(keyType === 'RSA' ? rsa : algorithm, true, [
    'sign',
    'verify',
  ]);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`;
}

/** A CA of its own key for one test file. */
export async function makeAuthority(name = 'CN=Test CA'): Promise<Authority> {
  const caKeys = await newKeys();
  const ca = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name,
      notBefore: new Date(Date.now() - hour),
      notAfter: new Date(Date.now() + hour),
      keys: caKeys,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    },
    webcrypto,
  );
  return {
    ca: ca.toString('pem'),
    async issue({
      dns = ['localhost'],
      addresses = ['127.0.0.1'],
      notBefore,
      notAfter,
      keyType,
      subject = 'CN=test server',
    } = {}) {
      const keys = await newKeys(keyType);
      const names: Extension[] = [
        new SubjectAlternativeNameExtension([
          ...dns.map((value) => ({ type: 'dns' as const, value })),
          ...addresses.map((value) => ({ type: 'ip' as const, value })),
        ]),
      ];
      const leaf = await X509CertificateGenerator.create(
        {
          serialNumber: serialNumber(),
          subject,
          issuer: ca.subject,
          notBefore: notBefore ?? new Date(Date.now() - hour),
          notAfter: notAfter ?? new Date(Date.now() + hour),
          publicKey: keys.publicKey,
          signingKey: caKeys.privateKey,
          signingAlgorithm: algorithm,
          extensions: [new BasicConstraintsExtension(false), ...names],
        },
        webcrypto,
      );
      return {
        cert: `${leaf.toString('pem')}\n${ca.toString('pem')}\n`,
        key: await privateKeyPem(keys.privateKey),
      };
    },
  };
}
