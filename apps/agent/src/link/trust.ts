import type { LinkStores } from '@sallyport/tls/link-stores';
import type { Identity } from '../state/identity.ts';

/**
 * Whose certificates the control plane may show. `system`: of any CA that the runtime and the host trust, and
 * `certificates` is empty.
 */
export type Trust = { from: 'file' | 'enrolment' | 'system'; certificates: readonly string[] };

/**
 * The file of controlPlane.truststore alone, where it is set, and no certificates while it was never taken; else what
 * the enrolment was made with.
 */
export function trustFor(
  { trustAnchors }: Pick<Identity, 'trustAnchors'>,
  stores: Pick<LinkStores, 'sets' | 'truststore'> | undefined,
): Trust {
  if (stores?.sets('truststore') === true)
    return { from: 'file', certificates: stores.truststore ?? [] };
  const from = trustAnchors.length === 0 ? 'system' : 'enrolment';
  return { from, certificates: trustAnchors };
}

/** What a link is to be given as its `ca`. */
export function caOf({ certificates }: Pick<Trust, 'certificates'>): string | undefined {
  return certificates.length === 0 ? undefined : certificates.join('\n');
}
