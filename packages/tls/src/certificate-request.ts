import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { BitString, Constructed, fromBER, Integer, ObjectIdentifier, Sequence } from 'asn1js';

const generate = promisify(generateKeyPair);
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const CONTEXT_CLASS = 3;

/** `csr` is DER in base64; `key` is PKCS#8 in PEM, and has not left this process. */
export type CertificateRequest = { csr: string; key: string };

/**
 * A new EC P-256 key and a request (PKCS#10, RFC 2986, section 4) to certify it. Subject and names are left for the
 * CA to choose, so that nothing but the key is asked for.
 */
export async function createCertificateRequest(): Promise<CertificateRequest> {
  const { privateKey, publicKey } = await generate('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const info = new Sequence({
    value: [
      new Integer({ value: 0 }),
      new Sequence(),
      fromBER(Uint8Array.from(spki)).result,
      new Constructed({ idBlock: { tagClass: CONTEXT_CLASS, tagNumber: 0 } }),
    ],
  });
  const signature = sign('sha256', Buffer.from(info.toBER()), privateKey);
  const request = new Sequence({
    value: [
      info,
      new Sequence({ value: [new ObjectIdentifier({ value: ECDSA_WITH_SHA256 })] }),
      new BitString({ valueHex: Uint8Array.from(signature).buffer }),
    ],
  });
  return {
    csr: Buffer.from(request.toBER()).toString('base64'),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}
