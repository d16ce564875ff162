import type { AdmissionRequest } from '@sallyport/contract';
import { signAdmissionProof } from '@sallyport/crypto/admission';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  type EncryptionKey,
} from '@sallyport/crypto/encryption-key';
import {
  generateSigningJwk,
  importSigningKey,
  type SigningKey,
} from '@sallyport/crypto/signing-key';

/** A host that asks to be admitted, with the keys that it keeps. */
export type OfflineHost = {
  request: AdmissionRequest;
  signing: SigningKey;
  encryption: EncryptionKey;
};

/** A request as a host makes it, with keys of its own. */
export async function offlineHost(name = 'edge-7'): Promise<OfflineHost> {
  const signing = importSigningKey(await generateSigningJwk());
  const encryption = await importEncryptionKey(await generateEncryptionJwk());
  const encryptionKey = encryption.publicJwk;
  const request: AdmissionRequest = {
    format: 1,
    name,
    signingKey: signing.publicJwk,
    encryptionKey,
    facts: { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'test' },
    proof: await signAdmissionProof(signing, { name, encryptionKey }),
  };
  return { request, signing, encryption };
}
