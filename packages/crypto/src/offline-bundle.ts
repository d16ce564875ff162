import type { KeyObject } from 'node:crypto';
import { offlineBundle, signingPublicKey, type OfflineBundle } from '@sallyport/contract';
import type { VerificationKeyring } from './bundle.ts';
import { signCompactJws, verifyCompactJws, type Header } from './compact.ts';
import { CryptoError } from './crypto-error.ts';
import { importVerificationKey, signingKeyThumbprint, type SigningKey } from './signing-key.ts';

const TYPE = 'sallyport-offline-bundle';

/** Whom a reader believes: the keys it knows, or the one key whose thumbprint a person has compared. */
export type TrustedSigner = VerificationKeyring | string;

/**
 * Signs a bundle for one agent, as a compact JWS that names its key and brings it along (RFC 7515, section 4.1.3), so
 * that an agent that knows no key yet can hold it against a thumbprint.
 */
export function signOfflineBundle(bundle: OfflineBundle, signer: SigningKey): string {
  const header = { typ: TYPE, kid: signer.thumbprint, jwk: signer.publicJwk };
  return signCompactJws(header, Buffer.from(JSON.stringify(bundle)), signer.privateKey);
}

/**
 * What the control plane signed. Whether it is for this agent, and may still be used, is the caller's to decide.
 *
 * @throws CryptoError `bundle.malformed` for anything else or another format, `bundle.unknown_signer`,
 * `bundle.unsigned` for what was changed
 */
export function openOfflineBundle(jws: Buffer, trusted: TrustedSigner): OfflineBundle {
  let payload: Buffer;
  try {
    // A copy: it is decoded over its own text.
    payload = verifyCompactJws(Buffer.from(jws), TYPE, (header) => keyOf(header, trusted));
  } catch (error) {
    throw refusalOf(error);
  }
  try {
    return offlineBundle.parse(JSON.parse(payload.toString('utf8')));
  } catch (error) {
    throw new CryptoError('bundle.malformed', 'the bundle is of another version', error);
  }
}

/** RFC 7515, section 4.1.3: a key that came along counts for nothing until it is known from elsewhere. */
function keyOf({ kid, jwk }: Header, trusted: TrustedSigner): KeyObject {
  if (typeof trusted !== 'string') {
    const known = typeof kid === 'string' ? trusted.get(kid) : undefined;
    if (known === undefined) throw unknownSigner();
    return known;
  }
  const brought = signingPublicKey.parse(jwk);
  if (signingKeyThumbprint(brought) !== trusted) throw unknownSigner();
  return importVerificationKey(brought);
}

function unknownSigner(): CryptoError {
  return new CryptoError(
    'bundle.unknown_signer',
    'the bundle is signed by a key that this agent does not know: compare --signer, or the control plane, with those of the export',
  );
}

function refusalOf(error: unknown): CryptoError {
  if (error instanceof CryptoError) return error;
  if (error instanceof RangeError)
    return new CryptoError(
      'bundle.unsigned',
      'the bundle is not as the control plane signed it: it was changed or cut off; carry it again',
      error,
    );
  return new CryptoError(
    'bundle.malformed',
    'that is no bundle for an offline host, or only a part of one: name the file that the export wrote, and carry it again if it is that',
    error,
  );
}
