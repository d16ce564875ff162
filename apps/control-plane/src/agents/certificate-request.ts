import 'reflect-metadata';
import { createPublicKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { keyAlgorithmOf } from '@sallyport/tls/certificate-facts';
import { keyThumbprint } from '@sallyport/tls/key-thumbprint';
import { z } from 'zod';
import { AppError } from '../platform/app-error.ts';

/** What a request may be for: a key, whose holder made the request. */
export type RequestedKey = { publicKey: x509.PublicKey; thumbprint: string };

const strongSignature = z.union([
  z.object({ name: z.literal('Ed25519') }),
  z.object({ hash: z.object({ name: z.enum(['SHA-256', 'SHA-384', 'SHA-512']) }) }),
]);
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/**
 * Reads a certificate request (PKCS#10 in base64), whose signature proves that its sender holds the key. It asks
 * for a key to be certified and for nothing else: names and rights are for the control plane to give. `spiffeId`,
 * when it is known, may be named. `used` is the thumbprint of the key that it must not be for.
 *
 * @throws AppError `csr.invalid`
 */
export async function readCertificateRequest(
  base64: string,
  spiffeId?: string,
  used?: string,
): Promise<RequestedKey> {
  try {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(base64, 'base64'));
    const { publicKey } = request;
    const key = strongKey(publicKey);
    if (keyThumbprint(key) === used) throw refusal('it is for the key that is in use');
    refuseWishes(request, spiffeId);
    if (!strongSignature.safeParse(request.signatureAlgorithm).success || !(await request.verify()))
      throw refusal('its signature is not by the key that it is for, or over a weak digest');
    return { publicKey, thumbprint: keyThumbprint(key) };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw refusal('it is no PKCS#10 request in base64, or a damaged one', error);
  }
}

/** Before its signature is verified, which takes time with the length of the key. */
function strongKey({ rawData }: x509.PublicKey): Buffer {
  const spki = Buffer.from(rawData);
  try {
    keyAlgorithmOf(createPublicKey({ key: spki, format: 'der', type: 'spki' }));
  } catch (cause) {
    throw refusal(
      'its key is weak or of a kind that is not taken: use EC P-256, P-384 or P-521, Ed25519, or RSA of 2,048 bits or more',
      cause,
    );
  }
  return spki;
}

function refuseWishes(
  { subject, attributes, extensions }: x509.Pkcs10CertificateRequest,
  spiffeId: string | undefined,
): void {
  if (subject !== '') throw refusal('it names a subject, which is not the agent’s to choose');
  if (attributes.some(({ type }) => type !== EXTENSION_REQUEST))
    throw refusal('it has an attribute beside the extensions that it asks for');
  for (const extension of extensions) {
    if (extension.type !== SUBJECT_ALTERNATIVE_NAME)
      throw refusal(
        `it asks for the extension ${extension.type}, which is not the agent’s to choose`,
      );
    const names = new x509.SubjectAlternativeNameExtension(extension.rawData).names.items;
    const isOwn = names.every(({ type, value }) => type === 'url' && value === spiffeId);
    if (names.length !== 1 || !isOwn)
      throw refusal('it asks for a name that is not this agent’s SPIFFE ID');
  }
}

function refusal(why: string, cause?: unknown): AppError {
  const issues = [{ field: 'body.csr', message: why }];
  return new AppError(
    'csr.invalid',
    `The certificate request is not accepted: ${why}. Make a new one with a new key.`,
    { issues, cause },
  );
}
