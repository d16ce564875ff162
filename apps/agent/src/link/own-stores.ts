import type { LinkStores } from '@sallyport/tls/link-stores';
import { followStores, openStores, type StoreBlocks } from '../files/stores.ts';
import type { Log } from '../log.ts';

type Config = { controlPlane: StoreBlocks };

const KEY = 'controlPlane';
const USAGE = 'clientAuth';

/**
 * Opens controlPlane.keystore and controlPlane.truststore; undefined where neither is set.
 *
 * @throws AgentError `usage.invalid` with every file that is not taken
 */
export async function openOwnStores({ controlPlane }: Config): Promise<LinkStores | undefined> {
  return areSet(controlPlane) ? openStores(KEY, controlPlane, USAGE) : undefined;
}

/** As `openOwnStores`, for an agent that serves what it has until the files are good. */
export async function followOwnStores(
  { controlPlane }: Config,
  log: Log,
): Promise<LinkStores | undefined> {
  return areSet(controlPlane) ? followStores(KEY, controlPlane, USAGE, log) : undefined;
}

function areSet({ keystore, truststore }: StoreBlocks): boolean {
  return keystore.file !== undefined || truststore.file !== undefined;
}
