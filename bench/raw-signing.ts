import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';

/** What a certificate is at its heart: a signature that is verified, of the request, and one that is made. */
export async function rawSignings(): Promise<() => void> {
  const { csr, key } = await createCertificateRequest();
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(privateKey);
  const request = Buffer.from(csr, 'base64');
  const signature = sign('sha256', request, privateKey);
  return () => {
    if (!verify('sha256', request, publicKey, signature))
      throw new Error('a signature is not accepted');
    sign('sha256', request, privateKey);
  };
}
