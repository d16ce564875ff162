import { createDecipheriv, createHmac, hash, pbkdf2, timingSafeEqual } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Asn1Error, numberOf, octetsOf, oidOf, sequenceOf } from './asn1.ts';
import { CertificateError } from './certificate-error.ts';

type Asn1 = Parameters<typeof sequenceOf>[0];
type Digest = { name: string; blockBytes: number };

const digests: Record<string, Digest> = {
  '1.3.14.3.2.26': { name: 'sha1', blockBytes: 64 },
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', blockBytes: 64 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', blockBytes: 128 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', blockBytes: 128 },
};
const hmacs: Record<string, string> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const ciphers: Record<string, { name: string; keyBytes: number }> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
};
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const PBMAC1 = '1.2.840.113549.1.5.14';
/** RC2, RC4 and triple DES under PKCS#5 and PKCS#12. */
const LEGACY = /^1\.2\.840\.113549\.(1\.12\.1|1\.5|3)\.\d+$/;
/** The purpose of a derived key, as the diversifier of RFC 7292, appendix B.3: a MAC. */
const FOR_MAC = 3;
const ITERATIONS_PER_TURN = 2_000;

const derive = promisify(pbkdf2);

/** What a file may ask for before it counts as made to cost time: one second of a processor. */
const MAX_ITERATIONS = 1_000_000;

/** The iterations that one file may ask for, charged before any of them is done. */
export class IterationBudget {
  #left = MAX_ITERATIONS;

  /** @throws CertificateError `certificate.keystore_too_costly` */
  charge(iterations: number): void {
    if (iterations < 1) throw new Asn1Error('no iterations');
    this.#left -= iterations;
    if (this.#left >= 0) return;
    throw new CertificateError(
      'certificate.keystore_too_costly',
      'pkcs12',
      `The PKCS#12 file asks for more than ${MAX_ITERATIONS} iterations of its password; export it again with fewer.`,
    );
  }
}

/** What turns a password into plaintext, its cost already charged. */
export type Decryption = (password: string, ciphertext: Buffer) => Promise<Buffer>;
/** Tells whether a password makes the MAC of the content, its cost already charged. */
export type MacCheck = (password: string, content: Buffer) => Promise<boolean>;

type Kdf = { salt: Buffer; iterations: number; keyBytes: number | undefined; prf: string };

/**
 * Reads an AlgorithmIdentifier of PBES2 (RFC 8018, section 6.2) with AES.
 *
 * @throws CertificateError `certificate.keystore_legacy`, `certificate.keystore_too_costly`; Asn1Error
 */
export function readDecryption(algorithm: Asn1, budget: IterationBudget): Decryption {
  const [scheme, parameters] = sequenceOf(algorithm);
  if (oidOf(scheme) !== PBES2) throw unsupported(oidOf(scheme));
  const [kdfAlgorithm, encryption] = sequenceOf(parameters);
  const kdf = readKdf(kdfAlgorithm, budget);
  const [cipherId, iv] = sequenceOf(encryption);
  const cipher = ciphers[oidOf(cipherId)];
  if (cipher === undefined) throw unsupported(oidOf(cipherId));
  const vector = octetsOf(iv);
  return async (password, ciphertext) => {
    const { salt, iterations, prf } = kdf;
    const key = await derive(password, salt, iterations, cipher.keyBytes, prf);
    const decipher = createDecipheriv(cipher.name, key, vector);
    key.fill(0);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  };
}

/** Reads MacData (RFC 7292, section 4; RFC 9579). @throws as `readDecryption` */
export function readMacCheck(macData: Asn1, budget: IterationBudget): MacCheck {
  const [digestInfo, saltNode, count] = sequenceOf(macData);
  const [algorithm, macNode] = sequenceOf(digestInfo);
  const [scheme, parameters] = sequenceOf(algorithm);
  const mac = octetsOf(macNode);
  if (oidOf(scheme) === PBMAC1) return readPbmac1(parameters, mac, budget);
  const digest = digests[oidOf(scheme)];
  if (digest === undefined) throw unsupported(oidOf(scheme));
  const salt = octetsOf(saltNode);
  const iterations = count === undefined ? 1 : numberOf(count);
  budget.charge(iterations);
  return async (password, content) => {
    const key = await macKey(digest, password, salt, iterations);
    return isSame(createHmac(digest.name, key).update(content).digest(), mac);
  };
}

function readPbmac1(parameters: Asn1, mac: Buffer, budget: IterationBudget): MacCheck {
  const [kdfAlgorithm, scheme] = sequenceOf(parameters);
  const { salt, iterations, keyBytes, prf } = readKdf(kdfAlgorithm, budget);
  const name = hmacs[oidOf(sequenceOf(scheme)[0])];
  // RFC 9579, section 4: the length must be there.
  if (name === undefined || keyBytes === undefined || keyBytes < 20 || keyBytes > 128)
    throw new Asn1Error('no PBMAC1 of RFC 9579');
  return async (password, content) => {
    const key = await derive(password, salt, iterations, keyBytes, prf);
    return isSame(createHmac(name, key).update(content).digest(), mac);
  };
}

function readKdf(algorithm: Asn1, budget: IterationBudget): Kdf {
  const [kdf, parameters] = sequenceOf(algorithm);
  if (oidOf(kdf) !== PBKDF2) throw unsupported(oidOf(kdf));
  const [salt, count, ...rest] = sequenceOf(parameters);
  const iterations = numberOf(count);
  budget.charge(iterations);
  const [lengthNode, prfNode] = rest.length > 1 ? rest : [undefined, rest[0]];
  const isLength = rest.length === 1 && !isSequence(rest[0]);
  const prfOid = prfNode === undefined || isLength ? undefined : oidOf(sequenceOf(prfNode)[0]);
  const prf = prfOid === undefined ? 'sha1' : hmacs[prfOid];
  if (prf === undefined) throw unsupported(prfOid ?? '');
  const length = isLength ? rest[0] : lengthNode;
  return {
    salt: octetsOf(salt),
    iterations,
    keyBytes: length === undefined ? undefined : numberOf(length),
    prf,
  };
}

function isSequence(node: Asn1): boolean {
  return node?.idBlock.tagClass === 1 && node.idBlock.tagNumber === 16;
}

/** RFC 7292, appendix B.2, for as many bytes as the digest has. It runs on the event loop, in turns. */
async function macKey(
  { name, blockBytes }: Digest,
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<Buffer> {
  const text = Buffer.from(`${password}\0`, 'utf16le').swap16();
  const diversifier = Buffer.alloc(blockBytes, FOR_MAC);
  let key: Buffer<ArrayBufferLike> = Buffer.concat([
    diversifier,
    repeated(salt, blockBytes),
    repeated(text, blockBytes),
  ]);
  for (let done = 1; done <= iterations; done += 1) {
    key = hash(name, key, 'buffer');
    if (done % ITERATIONS_PER_TURN === 0) await nextTurn();
  }
  return key;
}

function repeated(bytes: Buffer, blockBytes: number): Buffer {
  const length = Math.ceil(bytes.byteLength / blockBytes) * blockBytes;
  return Buffer.alloc(length, bytes);
}

function isSame(made: Buffer, given: Buffer): boolean {
  return made.byteLength === given.byteLength && timingSafeEqual(made, given);
}

function unsupported(oid: string): CertificateError | Asn1Error {
  if (!LEGACY.test(oid)) return new Asn1Error(`the algorithm ${oid} is not known`);
  return new CertificateError(
    'certificate.keystore_legacy',
    'pkcs12',
    'The PKCS#12 file is encrypted with RC2 or triple DES, which is no protection any more; make it again: openssl pkcs12 -legacy -in old.p12 -out new.pem, then openssl pkcs12 -export -in new.pem -out new.p12; a truststore, with keytool -importkeystore -srckeystore old.p12 -destkeystore new.p12 -deststoretype PKCS12',
  );
}
