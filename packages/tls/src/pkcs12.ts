import {
  Asn1Error,
  numberOf,
  octetsOf,
  oidOf,
  readAsn1,
  sequenceOf,
  taggedOctetsOf,
  taggedOf,
  wholeOf,
} from './asn1.ts';
import { CertificateError } from './certificate-error.ts';
import {
  IterationBudget,
  readDecryption,
  readMacCheck,
  type Decryption,
} from './password-encryption.ts';

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const BAG = '1.2.840.113549.1.12.10.1.';
const KEY_BAG = `${BAG}1`;
const SHROUDED_KEY_BAG = `${BAG}2`;
const CERTIFICATE_BAG = `${BAG}3`;

type Asn1 = Parameters<typeof sequenceOf>[0];
/** Something encrypted, and what decrypts it; or something that was never encrypted. */
type Sealed = { content: Buffer; decrypt: Decryption | undefined };

/** Keys as they are in the file, and certificates in DER, in its order. */
export type Pkcs12Bags = { keys: Sealed[]; certificates: Buffer[] };
/** What a file holds: DER of its certificates, in its order, and of its only private key (PrivateKeyInfo). */
export type Pkcs12Contents = { certificates: Buffer[]; key: Buffer };

/**
 * Opens a PKCS#12 file (RFC 7292) that a password protects, with AES and a MAC. Files with RC2 or triple DES
 * are refused by name. What the file asks for in iterations is counted before any is done, keys are derived
 * off the event loop or in short turns, and nesting and size are bounded.
 *
 * @throws CertificateError `certificate.keystore_*`
 */
export function openPkcs12(file: Uint8Array, password: string): Promise<Pkcs12Contents> {
  return named(async () => contentsOf(await opened(file, password), password));
}

/** Opens one as `openPkcs12` does, whatever is in it. Its keys are left as they are. */
export function openPkcs12Bags(file: Uint8Array, password: string): Promise<Pkcs12Bags> {
  return named(() => opened(file, password));
}

async function named<Contents>(open: () => Promise<Contents>): Promise<Contents> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    throw new CertificateError(
      'certificate.keystore_malformed',
      'pkcs12',
      'The file is no PKCS#12 file that is known here, or it is damaged: make it with openssl pkcs12 -export.',
      error instanceof Asn1Error ? error : undefined,
    );
  }
}

async function opened(file: Uint8Array, password: string): Promise<Pkcs12Bags> {
  const budget = new IterationBudget();
  const [version, authSafe, macData] = sequenceOf(readAsn1(file));
  if (numberOf(version) !== 3) throw new Asn1Error('another version than 3');
  const content = dataOf(authSafe);
  const isRight = readMacCheck(macData, budget);
  const safes = sequenceOf(readAsn1(content)).map((info) => readSafe(info, budget));
  // What is in the clear is read before anything is derived, so that its keys' costs are counted too.
  const bags = safes.map((safe) => (safe.decrypt ? undefined : readBags(safe.content, budget)));
  if (!(await isRight(password, content))) throw wrongPassword();
  for (const [index, { content: ciphertext, decrypt }] of safes.entries()) {
    if (decrypt !== undefined) bags[index] = readBags(await decrypt(password, ciphertext), budget);
  }
  const all = bags.filter((found) => found !== undefined);
  return {
    keys: all.flatMap(({ keys }) => keys),
    certificates: all.flatMap(({ certificates }) => certificates),
  };
}

async function contentsOf(
  { keys, certificates }: Pkcs12Bags,
  password: string,
): Promise<Pkcs12Contents> {
  const [sealed, ...others] = keys;
  if (sealed === undefined || others.length > 0 || certificates.length === 0)
    throw new CertificateError(
      'certificate.keystore_incomplete',
      'pkcs12',
      'The PKCS#12 file must hold one private key, its certificate and the intermediates; it holds fewer keys or more, or no certificate.',
    );
  const { content, decrypt } = sealed;
  return { certificates, key: decrypt ? await decrypt(password, content) : content };
}

/** The content of a ContentInfo of type data (RFC 5652, section 4). */
function dataOf(contentInfo: Asn1): Buffer {
  const [type, content] = sequenceOf(contentInfo);
  if (oidOf(type) !== DATA) throw new Asn1Error('content that no password protects');
  return octetsOf(taggedOf(content, 0));
}

/** SafeContents, encrypted (RFC 5652, section 8) or not. */
function readSafe(contentInfo: Asn1, budget: IterationBudget): Sealed {
  const [type, content] = sequenceOf(contentInfo);
  if (oidOf(type) !== ENCRYPTED_DATA) return { content: dataOf(contentInfo), decrypt: undefined };
  const [, encrypted] = sequenceOf(taggedOf(content, 0));
  const [, algorithm, ciphertext] = sequenceOf(encrypted);
  return { content: taggedOctetsOf(ciphertext, 0), decrypt: readDecryption(algorithm, budget) };
}

function readBags(safeContents: Buffer, budget: IterationBudget): Pkcs12Bags {
  const bags: Pkcs12Bags = { keys: [], certificates: [] };
  for (const bag of sequenceOf(readAsn1(safeContents))) {
    const [type, tagged] = sequenceOf(bag);
    const value = taggedOf(tagged, 0);
    switch (oidOf(type)) {
      case KEY_BAG:
        bags.keys.push({ content: Buffer.from(wholeOf(value)), decrypt: undefined });
        break;
      case SHROUDED_KEY_BAG: {
        const [algorithm, ciphertext] = sequenceOf(value);
        bags.keys.push({
          content: octetsOf(ciphertext),
          decrypt: readDecryption(algorithm, budget),
        });
        break;
      }
      case CERTIFICATE_BAG: {
        const [kind, certificate] = sequenceOf(value);
        if (oidOf(kind) !== X509_CERTIFICATE) throw new Asn1Error('a certificate of another kind');
        bags.certificates.push(octetsOf(taggedOf(certificate, 0)));
        break;
      }
      default:
        // CRLs, other secrets and bags in bags: nothing that makes such files makes certificates for servers.
        throw new Asn1Error(`a bag of type ${oidOf(type)}`);
    }
  }
  return bags;
}

function wrongPassword(): CertificateError {
  return new CertificateError(
    'certificate.keystore_password_wrong',
    'password',
    'The password is not that of the PKCS#12 file, or the file is damaged.',
  );
}
