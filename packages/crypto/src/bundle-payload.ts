import { bundleManifest, type BundleManifest } from '@sallyport/contract';
import { CryptoError } from './crypto-error.ts';

/** A part's manifest and its values, one buffer per entry, in the same order. */
export type BundlePayload = { manifest: BundleManifest; values: Uint8Array[] };

const LENGTH_BYTES = 4;

/**
 * `length of manifest (uint32) || manifest JSON || values`. Values stay bytes from end to end, so that a
 * reader can zero them: parsing them as JSON would leave copies in strings.
 */
export function encodeBundlePayload(payload: BundlePayload): Buffer {
  const manifest = Buffer.from(JSON.stringify(payload.manifest), 'utf8');
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(manifest.byteLength);
  return Buffer.concat([length, manifest, ...payload.values]);
}

/**
 * Reads what `encodeBundlePayload` wrote. The values are views of `bytes`.
 *
 * @throws CryptoError `bundle.malformed`
 */
export function decodeBundlePayload(bytes: Uint8Array): BundlePayload {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const manifest = parseManifest(buffer);
  let offset = LENGTH_BYTES + buffer.readUInt32BE(0);
  const values = manifest.entries.map((entry) => buffer.subarray(offset, (offset += entry.length)));
  if (offset !== buffer.byteLength) {
    throw new CryptoError(
      'bundle.malformed',
      'the bundle is shorter or longer than its manifest says',
    );
  }
  return { manifest, values };
}

function parseManifest(buffer: Buffer): BundleManifest {
  const end = buffer.byteLength < LENGTH_BYTES ? Infinity : LENGTH_BYTES + buffer.readUInt32BE(0);
  if (end > buffer.byteLength)
    throw new CryptoError('bundle.malformed', 'the bundle ends inside its manifest');
  try {
    return bundleManifest.parse(JSON.parse(buffer.toString('utf8', LENGTH_BYTES, end)));
  } catch (error) {
    throw new CryptoError(
      'bundle.malformed',
      'the bundle’s manifest is not one this version knows',
      error,
    );
  }
}
