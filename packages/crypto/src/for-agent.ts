import { CompactEncrypt, compactDecrypt, type CompactDecryptResult } from 'jose';
import { CryptoError, type CryptoErrorCode } from './crypto-error.ts';

/** Seals bytes for one agent: a compact JWE, ECDH-ES+A256KW to its X25519 key (RFC 7518, section 4.6). */
export async function sealForAgent(
  bytes: Uint8Array,
  recipient: CryptoKey,
  header: { typ: string } & Record<string, unknown>,
): Promise<string> {
  return new CompactEncrypt(bytes)
    .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', ...header })
    .encrypt(recipient);
}

/**
 * Opens what `sealForAgent` sealed; what it is for stands in its header, which the caller checks.
 *
 * @throws CryptoError with the code and message of `otherwise`
 */
export async function openForAgent(
  jwe: string,
  privateKey: CryptoKey,
  otherwise: { code: CryptoErrorCode; message: string },
): Promise<Pick<CompactDecryptResult, 'plaintext' | 'protectedHeader'>> {
  return compactDecrypt(jwe, privateKey, {
    keyManagementAlgorithms: ['ECDH-ES+A256KW'],
    contentEncryptionAlgorithms: ['A256GCM'],
  }).catch((error: unknown) => {
    throw new CryptoError(otherwise.code, otherwise.message, error);
  });
}
