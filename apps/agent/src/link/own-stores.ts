import type { LinkStores } from '@sallyport/tls/link-stores';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig } from '../config.ts';

/** What the link to the control plane is given by files. */
export type OwnStores = LinkStores;

/**
 * Opens controlPlane.keystore and controlPlane.truststore; undefined where neither is set.
 *
 * @throws AgentError `usage.invalid` with every file that is not taken
 */
export async function openOwnStores({
  controlPlane: { keystore, truststore },
}: {
  controlPlane: Pick<AgentConfig['controlPlane'], 'keystore' | 'truststore'>;
}): Promise<OwnStores | undefined> {
  if (keystore.file === undefined && truststore.file === undefined) return undefined;
  // It brings the readers of every format, which an agent without such a file starts sooner without.
  const { LinkStores, StoresError } = await import('@sallyport/tls/link-stores');
  const now = () => Date.now();
  try {
    const options = {
      key: 'controlPlane',
      keystore,
      truststore,
      usage: 'clientAuth',
      now,
    } as const;
    return await LinkStores.open(options);
  } catch (cause) {
    if (!(cause instanceof StoresError)) throw cause;
    throw new AgentError('usage.invalid', cause.message.split('\n').join(' '), { cause });
  }
}
