import type { KeyObject, X509Certificate } from 'node:crypto';
import {
  orderChain,
  parseCertificates,
  parseChain,
  refuseWeakOrExpired,
} from './certificate-chain.ts';
import { CertificateError } from './certificate-error.ts';
import { certificateFacts, type CertificateFacts } from './certificate-facts.ts';
import { openPkcs12 } from './pkcs12.ts';
import { parsePrivateKey, privateKeyFromDer, proveKey } from './private-key.ts';

export { CertificateError, type CertificateErrorCode } from './certificate-error.ts';
export type { CertificateFacts } from './certificate-facts.ts';

/** A server's chain, in order, and its key (PKCS#8): PEM both, written anew, without what stood around them. */
export type ServerIdentity = { chain: string; key: string; facts: CertificateFacts };

/** A chain and its key in PEM, or a PKCS#12 file and its password. */
export type IdentityInput =
  | { chain: string; key: string }
  | { pkcs12: Uint8Array; password: string };

/**
 * Reads a certificate with its chain and key, and refuses what no client would accept at `nowMs`: a key that
 * belongs to another certificate, a gap in the chain, an expired certificate, weak keys or signatures, no
 * names.
 *
 * @throws CertificateError
 */
export async function readServerIdentity(
  input: IdentityInput,
  nowMs: number,
): Promise<ServerIdentity> {
  if (!('pkcs12' in input))
    return checkedIdentity(parseChain(input.chain), parsePrivateKey(input.key), nowMs);
  const { certificates, key } = await openPkcs12(input.pkcs12, input.password);
  try {
    return await checkedIdentity(parseCertificates(certificates), privateKeyFromDer(key), nowMs);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new CertificateError(error.code, 'pkcs12', error.message, error.cause);
  } finally {
    key.fill(0);
  }
}

/** Holds a key and its certificates against one another, and against what a client accepts. @throws CertificateError */
export async function checkedIdentity(
  given: X509Certificate[],
  key: KeyObject,
  nowMs: number,
): Promise<ServerIdentity> {
  const chain = orderChain(given, key);
  refuseWeakOrExpired(chain, nowMs);
  const [leaf] = chain;
  if (leaf === undefined) throw new RangeError('a chain begins with its leaf');
  await proveKey(key, leaf.publicKey);
  return {
    chain: chain.map((certificate) => certificate.toString()).join(''),
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    facts: certificateFacts(leaf),
  };
}
