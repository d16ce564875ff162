import type { LinkStores } from '@sallyport/tls/link-stores';
import { openStores, type StoreBlocks } from '../files/stores.ts';

/** What the link to the control plane is given by files. */
export type OwnStores = LinkStores;

/**
 * Opens controlPlane.keystore and controlPlane.truststore; undefined where neither is set.
 *
 * @throws AgentError `usage.invalid` with every file that is not taken
 */
export async function openOwnStores({
  controlPlane,
}: {
  controlPlane: StoreBlocks;
}): Promise<OwnStores | undefined> {
  const { keystore, truststore } = controlPlane;
  if (keystore.file === undefined && truststore.file === undefined) return undefined;
  return openStores('controlPlane', controlPlane, 'clientAuth');
}
