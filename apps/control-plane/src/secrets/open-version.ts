import { Keyring } from '../keyrings/index.ts';
import type { Platform } from '../platform/platform.ts';
import { secretValueField } from './secret-field.ts';

/** A version as it is sealed, and the wrapped key that it is sealed with. */
export type SealedVersion = {
  versionId: string;
  sealedValue: Uint8Array;
  keyVersion: number;
  /** Null when the key was destroyed or was never there: nothing opens then. */
  wrappedKey: Uint8Array | null;
};

/** The value of one version of a secret of this group; the caller zeroes it. */
export async function openVersion(
  platform: Platform,
  groupId: string,
  { versionId, sealedValue, keyVersion, wrappedKey }: SealedVersion,
): Promise<Buffer> {
  const wrapped = wrappedKey === null ? [] : [{ version: keyVersion, wrappedKey }];
  return Keyring.lend(platform, groupId, wrapped, async (keyring) =>
    keyring.open(secretValueField(versionId), { sealed: sealedValue, keyVersion }),
  );
}
