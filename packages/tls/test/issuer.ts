import 'reflect-metadata';
import {
  createPrivateKey,
  X509Certificate as ParsedCertificate,
  randomBytes,
  sign,
  webcrypto,
} from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type JsonGeneralName,
  type X509Certificate,
} from '@peculiar/x509';

const day = 24 * 3_600_000;
const keyKinds = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  Ed25519: { name: 'Ed25519' },
  'RSA-2048': rsa(2_048),
  'RSA-1024': rsa(1_024),
  'RSA-PSS': { ...rsa(2_048), name: 'RSA-PSS' },
};
/** Of signatures of that kind. */
const saltLength = 32;

/** A certificate and what the next one is signed with. */
type Issued = { certificate: X509Certificate; keys: webcrypto.CryptoKeyPair };

export type LeafOptions = {
  /** Its common name; by default `server`. */
  cn?: string;
  names?: JsonGeneralName[];
  kind?: keyof typeof keyKinds;
  /** Of the signature on it. */
  hash?: 'SHA-1' | 'SHA-256';
  notBefore?: Date;
  notAfter?: Date;
  /** Without any by default, which OpenSSL takes for all. */
  usages?: (keyof typeof ExtendedKeyUsage)[];
};

/** A leaf and its key, in PEM; `parts` is the chain as single certificates, without the root. */
export type IssuedLeaf = { chain: string; key: string; parts: string[] };

/** A CA for tests: a root, or an intermediate of one. Its certificates are good for ten years, which takes in the day at which test clocks stand. */
export class Issuer {
  readonly #own: Issued;
  readonly #above: Issuer | undefined;

  private constructor(own: Issued, above?: Issuer) {
    this.#own = own;
    this.#above = above;
  }

  static async root(name = 'CN=Test root'): Promise<Issuer> {
    return new Issuer(await issue(name, { isCa: true, isIssuer: true }));
  }

  async intermediate(name = 'CN=Test intermediate', isCa = true): Promise<Issuer> {
    return new Issuer(await issue(name, { isCa, isIssuer: true, by: this.#own }), this);
  }

  get pem(): string {
    return pemOf(this.#own);
  }

  /** What it signs with, in PEM. */
  key(): Promise<string> {
    return keyOf(this.#own);
  }

  /** What a client trusts. */
  get rootPem(): string {
    return this.#above === undefined ? this.pem : this.#above.rootPem;
  }

  /** A server's certificate. */
  async leaf(options: LeafOptions = {}): Promise<IssuedLeaf> {
    const { cn = 'server' } = options;
    return leafOf(await issue(`CN=${cn}`, { by: this.#own, ...options }), this.#chain());
  }

  /** This issuer and those above it, the root left out. */
  #chain(): string[] {
    return this.#above === undefined ? [] : [this.pem, ...this.#above.#chain()];
  }
}

/** A self-signed server certificate: its own chain. */
export async function selfSigned(options: LeafOptions = {}): Promise<IssuedLeaf> {
  return leafOf(await issue('CN=alone', options), []);
}

/** The chain of `selfSigned` of the kind Ed25519 with another time of validity, signed again. */
export function withTime({ chain, key }: IssuedLeaf, time: string, other: string): string {
  const der = new ParsedCertificate(chain).raw;
  der.write(other, der.indexOf(time), 'latin1');
  // The last 64 bytes are the signature, with 10 before it that say so.
  sign(null, der.subarray(4, -74), createPrivateKey(key)).copy(der, der.length - 64);
  return pem('CERTIFICATE', der);
}

async function leafOf(issued: Issued, above: string[]): Promise<IssuedLeaf> {
  const parts = [pemOf(issued), ...above];
  return { chain: parts.join(''), key: await keyOf(issued), parts };
}

async function keyOf({ keys }: Issued): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return pem('PRIVATE KEY', der);
}

async function issue(
  subject: string,
  {
    by,
    isCa = false,
    isIssuer = false,
    names,
    kind = 'P-256',
    hash = 'SHA-256',
    usages,
    ...options
  }: LeafOptions & {
    by?: Issued;
    isCa?: boolean;
    /** By its key usage, whatever its basic constraints say. */
    isIssuer?: boolean;
  },
): Promise<Issued> {
  const keys = await newKeys(kind);
  const signer = by?.keys ?? keys;
  const alternatives = names ?? [{ type: 'dns', value: 'localhost' }];
  const usage = isIssuer ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    subject,
    issuer: by?.certificate.subject ?? subject,
    notBefore: options.notBefore ?? new Date(Date.now() - 180 * day),
    notAfter: options.notAfter ?? new Date(Date.now() + 3_650 * day),
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: { ...signer.privateKey.algorithm, hash, saltLength },
    extensions: [
      new BasicConstraintsExtension(isCa, undefined, true),
      new KeyUsagesExtension(usage, true),
      ...(usages
        ? [new ExtendedKeyUsageExtension(usages.map((each) => ExtendedKeyUsage[each]))]
        : []),
      ...(isCa || alternatives.length === 0
        ? []
        : [new SubjectAlternativeNameExtension(alternatives)]),
    ],
  });
  return { certificate, keys };
}

async function newKeys(kind: keyof typeof keyKinds): Promise<webcrypto.CryptoKeyPair> {
  const keys = await webcrypto.subtle.generateKey(keyKinds[kind], true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('no key pair was made');
  return keys;
}

function rsa(modulusLength: number) {
  const publicExponent = new Uint8Array([1, 0, 1]);
  return { name: 'RSASSA-PKCS1-v1_5', modulusLength, publicExponent, hash: 'SHA-256' };
}

function pemOf({ certificate }: Issued): string {
  return `${certificate.toString('pem')}\n`;
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
