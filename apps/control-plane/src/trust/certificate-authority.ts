import 'reflect-metadata';
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { Place } from '@sallyport/crypto/envelope';
import { CONTROL_PLANE_NAME } from '@sallyport/tls/peer-certificate';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import type { RootKeys } from '../platform/root-keys.ts';
import { sealUnderRoot } from './seal-under-root.ts';
import { findAuthority, insertAuthority, type AuthorityRow } from './trust.store.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_DAYS = 10 * 365;
/** A server certificate's life; it is made anew at every start and at half its life. */
export const SERVER_CERTIFICATE_DAYS = 90;
/** Certificates start a little in the past, for clocks that are behind. */
const BACKDATE_MS = 60 * 60 * 1000;

/** A server's certificate chain and private key, PEM both. The key is never stored. */
export type ServerCertificate = { cert: string; key: string };

/** The self-made CA of both listeners. `fingerprint` is what agents and the CLI pin at first contact. */
export class CertificateAuthority {
  readonly certificatePem: string;
  readonly fingerprint: string;
  readonly #certificate: x509.X509Certificate;
  readonly #privateKey: CryptoKey;

  constructor(certificatePem: string, privateKey: CryptoKey) {
    this.certificatePem = certificatePem;
    this.fingerprint = `SHA256:${new X509Certificate(certificatePem).fingerprint256}`;
    this.#certificate = new x509.X509Certificate(certificatePem);
    this.#privateKey = privateKey;
  }

  /** Makes a key and a certificate for a server of these host names and addresses (EKU serverAuth). */
  async issueServerCertificate(hosts: string[], nowMs: number): Promise<ServerCertificate> {
    return this.#issue(x509.ExtendedKeyUsage.serverAuth, hosts.map(hostName), nowMs);
  }

  /** Makes those with which the control plane dials agents (EKU clientAuth): it has its own name, and the hosts. */
  async issueClientCertificate(hosts: string[], nowMs: number): Promise<ServerCertificate> {
    const own = { type: 'url', value: CONTROL_PLANE_NAME } as const;
    return this.#issue(x509.ExtendedKeyUsage.clientAuth, [own, ...hosts.map(hostName)], nowMs);
  }

  async #issue(
    usage: x509.ExtendedKeyUsage,
    names: x509.JsonGeneralNames,
    nowMs: number,
  ): Promise<ServerCertificate> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: 'CN=Sallyport control plane',
      issuer: this.#certificate.subject,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(nowMs + SERVER_CERTIFICATE_DAYS * DAY_MS),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      cert: `${certificate.toString('pem')}\n${this.certificatePem}`,
      key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    };
  }
}

function hostName(host: string): x509.JsonGeneralName {
  return { type: isIP(host) ? 'ip' : 'dns', value: host };
}

/** Loads the CA, making it under the first-start lock. */
export async function loadAuthority(
  tx: Db,
  rootKeys: RootKeys,
  nowMs: number,
): Promise<CertificateAuthority> {
  const row = (await findAuthority(tx)) ?? (await createAuthority(tx, rootKeys, nowMs));
  const pkcs8 = Uint8Array.from(rootKeys.open(row.sealedPrivateKey, authorityKeyPlace(row.id)));
  const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
  pkcs8.fill(0);
  return new CertificateAuthority(row.certificatePem, privateKey);
}

async function createAuthority(tx: Db, rootKeys: RootKeys, nowMs: number): Promise<AuthorityRow> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Sallyport CA ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const id = newId();
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const row = {
    id,
    certificatePem: certificate.toString('pem'),
    sealedPrivateKey: await sealUnderRoot(tx, rootKeys, pkcs8, authorityKeyPlace(id)),
    createdAt: new Date(nowMs),
  };
  pkcs8.fill(0);
  await insertAuthority(tx, row);
  return row;
}

/** 127 random bits, positive (RFC 5280, section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x01, 0);
  return bytes.toString('hex');
}

/** Where a CA's private key lives: the place that its ciphertext is bound to. */
export function authorityKeyPlace(id: string): Place {
  return {
    table: 'certificate_authorities',
    row: id,
    field: 'sealed_private_key',
    group: 'root',
    keyVersion: 1,
  };
}
