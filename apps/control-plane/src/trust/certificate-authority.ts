import 'reflect-metadata';
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { CONTROL_PLANE_NAME } from '@sallyport/tls/peer-certificate';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_DAYS = 10 * 365;
/** A server certificate's life; it is made anew at every start and at half its life. */
export const SERVER_CERTIFICATE_DAYS = 90;
/** Certificates start a little in the past, for clocks that are behind. */
const BACKDATE_MS = 60 * 60 * 1000;
const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;

/** A server's certificate chain and private key, PEM both. The key is never stored. */
export type ServerCertificate = { cert: string; key: string };

/** An agent's certificate in PEM, and what the control plane keeps of it. */
export type AgentCertificate = { pem: string; serialNumber: string; notAfter: Date };

type Leaf = {
  subject: string;
  publicKey: x509.PublicKeyType;
  names: x509.GeneralName[];
  usages: x509.ExtendedKeyUsage[];
  lifetimeMs: number;
};

/** A CA whose private key is at hand. `fingerprint` is what agents and the CLI pin at first contact. */
export class CertificateAuthority {
  readonly id: string;
  readonly certificatePem: string;
  readonly fingerprint: string;
  readonly #certificate: x509.X509Certificate;
  readonly #privateKey: CryptoKey;

  constructor(id: string, certificatePem: string, privateKey: CryptoKey) {
    this.id = id;
    this.certificatePem = certificatePem;
    this.fingerprint = `SHA256:${new X509Certificate(certificatePem).fingerprint256}`;
    this.#certificate = new x509.X509Certificate(certificatePem);
    this.#privateKey = privateKey;
  }

  /** Makes a key and a certificate for a server of these host names and addresses (EKU serverAuth), without chain. */
  async issueServerCertificate(hosts: string[], nowMs: number): Promise<ServerCertificate> {
    return this.#issueOwn(serverAuth, hosts.map(hostName), nowMs);
  }

  /** Makes those with which the control plane dials agents (EKU clientAuth): they have its own name, and the hosts. */
  async issueClientCertificate(hosts: string[], nowMs: number): Promise<ServerCertificate> {
    const own = new x509.GeneralName('url', CONTROL_PLANE_NAME);
    return this.#issueOwn(clientAuth, [own, ...hosts.map(hostName)], nowMs);
  }

  async #issueOwn(
    usage: x509.ExtendedKeyUsage,
    names: x509.GeneralName[],
    nowMs: number,
  ): Promise<ServerCertificate> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await this.#issue(
      {
        subject: 'CN=Sallyport control plane',
        publicKey: keys.publicKey,
        names,
        usages: [usage],
        lifetimeMs: SERVER_CERTIFICATE_DAYS * DAY_MS,
      },
      nowMs,
    );
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      cert: certificate.toString('pem'),
      key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    };
  }

  /** Certifies an agent's key for its SPIFFE ID (X.509-SVID, section 2): one URI, EKU clientAuth and serverAuth. */
  async issueAgentCertificate(
    publicKey: x509.PublicKey,
    spiffeId: string,
    lifetimeMs: number,
    nowMs: number,
  ): Promise<AgentCertificate> {
    const certificate = await this.#issue(
      {
        // A name that no host can have: who looks at the common name must not take an agent for a server.
        subject: 'CN=Sallyport agent',
        publicKey,
        names: [new x509.GeneralName('url', spiffeId)],
        usages: [clientAuth, serverAuth],
        lifetimeMs,
      },
      nowMs,
    );
    const { serialNumber, notAfter } = certificate;
    return { pem: certificate.toString('pem'), serialNumber, notAfter };
  }

  /** Certifies another CA's key, so that who trusts this one alone trusts that one too (RFC 4210, section 4.4). */
  async certifyAuthority(certificatePem: string): Promise<string> {
    const next = new x509.X509Certificate(certificatePem);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: next.subject,
      issuer: this.#certificate.subject,
      notBefore: next.notBefore,
      notAfter: new Date(Math.min(next.notAfter.getTime(), this.#certificate.notAfter.getTime())),
      signingAlgorithm: algorithm,
      publicKey: next.publicKey,
      signingKey: this.#privateKey,
      extensions: [
        ...authorityExtensions(),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(next.publicKey),
      ],
    });
    return certificate.toString('pem');
  }

  /** No certificate outlives its CA, after which nobody could verify it. */
  async #issue(
    { subject, publicKey, names, usages, lifetimeMs }: Leaf,
    nowMs: number,
  ): Promise<x509.X509Certificate> {
    const endMs = Math.min(nowMs + lifetimeMs, this.#certificate.notAfter.getTime());
    return x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject,
      issuer: this.#certificate.subject,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(endMs),
      signingAlgorithm: algorithm,
      publicKey,
      signingKey: this.#privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(usages),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    });
  }
}

function hostName(host: string): x509.GeneralName {
  return new x509.GeneralName(isIP(host) ? 'ip' : 'dns', host);
}

/** A new CA, certified by itself: PEM, and its private key (PKCS#8), which the caller overwrites. */
export async function generateAuthority(
  nowMs: number,
): Promise<{ certificatePem: string; pkcs8: Buffer }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Sallyport CA ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      ...authorityExtensions(),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { certificatePem: certificate.toString('pem'), pkcs8 };
}

/** For signing certificates alone; the key stays in the process. */
export async function importAuthorityKey(pkcs8: Uint8Array): Promise<CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', Uint8Array.from(pkcs8), algorithm, false, ['sign']);
}

/** Without a path length: a CA certifies those that follow it, one after the other. */
function authorityExtensions(): x509.Extension[] {
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  ];
}

/** 127 random bits, positive (RFC 5280, section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x01, 0);
  return bytes.toString('hex');
}
