import { X509Certificate, type KeyObject } from 'node:crypto';
import { CertificateError, type CertificateErrorCode } from './certificate-error.ts';
import { keyAlgorithmOf, nameInLine } from './certificate-facts.ts';
import { pemBlocks } from './pem.ts';
import { isSelfSigned } from './self-issued.ts';
import { hasStrongSignature } from './signature-strength.ts';
import { validityOf } from './validity.ts';

const MAX_CERTIFICATES = 10;

/** The certificates of a PEM text. @throws CertificateError `certificate.chain_malformed`, `certificate.chain_too_long` */
export function parseChain(pem: string): X509Certificate[] {
  const blocks = pemBlocks(pem);
  if (blocks.length === 0)
    throw refusal(
      'chain_malformed',
      'The chain holds no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----.',
    );
  const foreign = blocks.some(({ label }) => label !== 'CERTIFICATE');
  if (foreign)
    throw refusal(
      'chain_malformed',
      'The chain holds something that is no certificate; give certificates alone, and the private key as the key.',
    );
  return parseCertificates(blocks.map(({ text }) => text));
}

/** @throws CertificateError as `parseChain` does */
export function parseCertificates(encoded: readonly (string | Buffer)[]): X509Certificate[] {
  if (encoded.length > MAX_CERTIFICATES)
    throw refusal(
      'chain_too_long',
      `The chain has more than ${MAX_CERTIFICATES} certificates; give the leaf and its intermediates alone.`,
    );
  try {
    return encoded.map((certificate) => new X509Certificate(certificate));
  } catch (error) {
    throw refusal(
      'chain_malformed',
      'A certificate of the chain is damaged; export the chain again.',
      error,
    );
  }
}

/**
 * Puts a leaf's chain in order, leaf first, each certificate followed by its issuer's. The chain is complete
 * when it ends in a self-signed certificate, or when the leaf's issuer is in it and only a root is missing.
 * Repeated certificates are dropped.
 *
 * @throws CertificateError `certificate.key_mismatch`, `certificate.chain_*`
 */
export function orderChain(given: readonly X509Certificate[], key: KeyObject): X509Certificate[] {
  refuseUnreadableKeys(given);
  const rest = new Map(given.map((certificate) => [certificate.fingerprint256, certificate]));
  const leaf = [...rest.values()].find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined)
    throw new CertificateError(
      'certificate.key_mismatch',
      'key',
      'The private key belongs to none of the certificates; give the key that the certificate was requested with.',
    );
  if (leaf.ca && given.some((other) => isFrom(other, leaf)))
    throw new CertificateError(
      'certificate.key_mismatch',
      'key',
      'The private key is that of a CA of the chain; give the key that the certificate itself was requested with.',
    );
  const chain: X509Certificate[] = [];
  for (let next: X509Certificate | undefined = leaf; next !== undefined;) {
    chain.push(next);
    rest.delete(next.fingerprint256);
    next = isSelfSigned(next) ? undefined : issuerAmong([...rest.values()], next);
  }
  refuseGaps(chain, rest.size);
  return chain;
}

/** A key is read when it is first asked for. */
function refuseUnreadableKeys(given: readonly X509Certificate[]): void {
  try {
    for (const certificate of given) void certificate.publicKey;
  } catch (error) {
    throw refusal(
      'chain_malformed',
      'A certificate of the chain has a key that is damaged, or of a kind that is not known here; have it issued again.',
      error,
    );
  }
}

function isFrom(certificate: X509Certificate, ca: X509Certificate): boolean {
  return (
    certificate.fingerprint256 !== ca.fingerprint256 &&
    certificate.checkIssued(ca) &&
    certificate.verify(ca.publicKey)
  );
}

function issuerAmong(
  candidates: X509Certificate[],
  certificate: X509Certificate,
): X509Certificate | undefined {
  const named = candidates.filter((candidate) => certificate.checkIssued(candidate));
  const issuer = named.find((candidate) => certificate.verify(candidate.publicKey));
  if (issuer === undefined && named.length > 0)
    throw refusal(
      'chain_invalid',
      'A certificate of the chain is not signed by the issuer that it names; export the chain again.',
    );
  if (issuer !== undefined && !issuer.ca)
    throw refusal(
      'chain_invalid',
      'A certificate of the chain is signed by one that is no CA, which no client accepts.',
    );
  return issuer;
}

function refuseGaps(chain: X509Certificate[], left: number): void {
  const top = chain.at(-1);
  if (top !== undefined && !isSelfSigned(top) && (left > 0 || chain.length === 1))
    throw refusal(
      'chain_incomplete',
      `An intermediate certificate is missing, the issuer (${nameInLine(top.issuer)}) of one that is there (${nameInLine(top.subject)}): add the certificate of each issuer, up to the root, which alone may be left out.`,
    );
  if (left > 0)
    throw refusal(
      'chain_unrelated',
      'The chain holds a certificate that is not among the issuers of the leaf; leave it out.',
    );
}

/** Nothing stores the year 0. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');

/** @throws CertificateError `certificate.chain_malformed`, `certificate.expired`, `certificate.not_yet_valid`, `certificate.key_weak`, `certificate.signature_weak` */
export function refuseWeakOrExpired(chain: readonly X509Certificate[], nowMs: number): void {
  for (const certificate of chain) {
    const { from, to } = validityOf(certificate);
    if (!(from.getTime() >= FIRST_MS && to.getTime() >= FIRST_MS))
      throw refusal(
        'chain_malformed',
        'A certificate of the chain says in no known form since when or until when it is valid; have it issued again.',
      );
    if (to.getTime() <= nowMs)
      throw refusal('expired', 'A certificate of the chain has expired; have it issued again.');
    if (from.getTime() > nowMs)
      throw refusal(
        'not_yet_valid',
        'A certificate of the chain is not valid yet: wait, or check the clocks of its issuer and of this host.',
      );
    keyAlgorithmOf(certificate.publicKey);
    if (!hasStrongSignature(certificate))
      throw refusal(
        'signature_weak',
        'A certificate of the chain is signed over SHA-1, MD5 or another weak digest: have it issued with SHA-256 or better, and leave out a root that is signed so.',
      );
  }
}

type ChainCode<Code extends string> = Code extends `certificate.${infer Rest}` ? Rest : never;

function refusal(
  code: ChainCode<CertificateErrorCode>,
  message: string,
  cause?: unknown,
): CertificateError {
  return new CertificateError(`certificate.${code}`, 'chain', message, cause);
}
