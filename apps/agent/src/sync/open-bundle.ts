import type { Bundle, BundleEntry } from '@sallyport/contract';
import { openBundlePart, type VerificationKeyring } from '@sallyport/crypto/bundle';
import type { BundlePayload } from '@sallyport/crypto/bundle-payload';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import type { DeliveryKey } from '@sallyport/crypto/delivery-key';
import { AgentError } from '../agent-error.ts';

export type EntryKind = BundleEntry['kind'];

/** One value in plaintext; whoever holds it zeroes `value`. */
export type OpenedEntry = { kind: EntryKind; name: string; version: number; value: Uint8Array };

/** A verified bundle. `complete` is false for a durable part whose live part is missing. */
export type OpenedBundle = {
  revision: number;
  epoch: number;
  complete: boolean;
  entries: OpenedEntry[];
};

/**
 * Opens and verifies a bundle as a whole, or not at all.
 *
 * @throws CryptoError of `openBundlePart`; AgentError `bundle.incomplete` when its parts do not belong together
 */
export function openBundle(
  bundle: Bundle,
  delivery: DeliveryKey,
  keyring: VerificationKeyring,
): OpenedBundle {
  const durable = openBundlePart(bundle.durable, 'durable', delivery, keyring);
  const parts = [durable];
  try {
    if (bundle.live !== undefined)
      parts.push(openBundlePart(bundle.live, 'live', delivery, keyring));
    assertBelongTogether(parts);
  } catch (error) {
    for (const value of parts.flatMap((part) => part.values)) value.fill(0);
    throw error;
  }
  const { revision, epoch, hasLive } = durable.manifest;
  return {
    revision,
    epoch,
    complete: !hasLive || parts.length > 1,
    entries: parts.flatMap(entriesOf),
  };
}

/** Zeroes every value of a bundle. */
export function zeroBundle({ entries }: OpenedBundle): void {
  for (const { value } of entries) value.fill(0);
}

function assertBelongTogether(parts: BundlePayload[]): void {
  const [durable, live] = parts.map((part) => part.manifest);
  if (live !== undefined && (durable?.hasLive !== true || live.revision !== durable.revision)) {
    throw new AgentError('bundle.incomplete', 'the bundle’s two parts are not of one revision', {
      retryable: true,
    });
  }
  const names = parts.flatMap((part) =>
    part.manifest.entries.map(({ kind, name }) => `${kind}:${name}`),
  );
  if (new Set(names).size !== names.length) {
    throw new AgentError('bundle.incomplete', 'the bundle names an entry twice', {
      retryable: true,
    });
  }
}

function entriesOf({ manifest, values }: BundlePayload): OpenedEntry[] {
  return manifest.entries.map(({ kind, name, version }, index) => ({
    kind,
    name,
    version,
    value: values[index] ?? Buffer.alloc(0),
  }));
}

/** A bundle that does not open, as the agent's refusal: the next one may be whole. */
export async function asRefusal<Value>(open: () => Promise<Value>): Promise<Value> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new AgentError(error.code, error.message, { retryable: true, cause: error });
  }
}
