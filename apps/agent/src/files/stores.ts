import type { LinkStores } from '@sallyport/tls/link-stores';
import type { Usage } from '@sallyport/tls/peer-certificate';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig } from '../config.ts';
import type { Log } from '../log.ts';

/** The blocks of a keystore and a truststore, as they were parsed. */
export type StoreBlocks = Pick<AgentConfig['controlPlane'], 'keystore' | 'truststore'>;

/**
 * Opens the files of the block `key`, as they are now; the keystore's certificate must be good for `usage`.
 *
 * @throws AgentError `usage.invalid` with every file that is not taken
 */
export async function openStores(
  key: string,
  { keystore, truststore }: StoreBlocks,
  usage: Usage,
): Promise<LinkStores> {
  // It brings the readers of every format, which an agent without such a file starts sooner without.
  const { LinkStores, StoresError } = await import('@sallyport/tls/link-stores');
  try {
    return await LinkStores.open({ key, keystore, truststore, usage, now: () => Date.now() });
  } catch (cause) {
    if (!(cause instanceof StoresError)) throw cause;
    throw new AgentError('usage.invalid', cause.message.split('\n').join(' '), { cause });
  }
}

/** Looks at the files again, and tells of each that is not taken. Whether there is anything new in them. */
export async function refreshStores(stores: LinkStores, log: Log): Promise<boolean> {
  const { replaced, problems } = await stores.refresh();
  for (const { code, text } of problems)
    log.error(
      { code, detail: text },
      'a file of certificates is not taken; what it held before still counts',
    );
  return replaced;
}
