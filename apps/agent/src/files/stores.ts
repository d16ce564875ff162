import type { LinkStores, StoreProblem } from '@sallyport/tls/link-stores';
import type { Usage } from '@sallyport/tls/peer-certificate';
import { AgentError } from '../agent-error.ts';
import type { AgentConfig } from '../config.ts';
import type { Log } from '../log.ts';

const HELD = 'What it held before still counts.';
const NEVER_TAKEN = 'There is no connection without it; it is looked at again every few seconds.';

/** Files that are set and cannot be used, until somebody mends them. */
export class UnusableFiles extends AgentError {
  constructor(message: string, details: { advice?: string; cause?: unknown }) {
    super('usage.invalid', message, details);
  }
}

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
    throw new UnusableFiles(cause.message.split('\n').join(' '), { cause });
  }
}

/** As `openStores`, for who can wait; files that are not taken are told, and taken by `refreshStores` once they are good. */
export async function followStores(
  key: string,
  { keystore, truststore }: StoreBlocks,
  usage: Usage,
  log: Log,
): Promise<LinkStores> {
  const { LinkStores } = await import('@sallyport/tls/link-stores');
  const now = () => Date.now();
  const stores = await LinkStores.follow({ key, keystore, truststore, usage, now });
  tell(stores.problems, log);
  return stores;
}

/** Looks at the files again, and tells of each that is not taken. Whether there is anything new in them. */
export async function refreshStores(stores: LinkStores, log: Log): Promise<boolean> {
  const { replaced, problems } = await stores.refresh();
  tell(problems, log);
  return replaced;
}

/** What keeps each file from being taken, and what that means. */
export function problemsIn({ problems }: LinkStores): string[] {
  return problems.map(({ text, isHeld }) => problemOf(text, isHeld));
}

/** What keeps a file from being taken, in sentences, and what that means. */
export function problemOf(text: string, isHeld: boolean): string {
  return `${text.replace(/\.?$/, '.')} ${isHeld ? HELD : NEVER_TAKEN}`;
}

function tell(problems: readonly StoreProblem[], log: Log): void {
  for (const { code, text, isHeld } of problems)
    log.error(
      { code, detail: text },
      isHeld
        ? 'a file of certificates is not taken; what it held before still counts'
        : 'a file of certificates is not taken; there is no connection without it, and it is looked at again',
    );
}
