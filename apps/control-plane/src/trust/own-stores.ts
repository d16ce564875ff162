import { ConfigError } from '@sallyport/config/load';
import { parseCertificates } from '@sallyport/tls/certificate-chain';
import { LinkStores, StoresError, type StoreProblem } from '@sallyport/tls/link-stores';
import { pemBlocks } from '@sallyport/tls/pem';
import type { ServerConfig } from '../platform/config.ts';
import type { ServerCertificate } from './certificate-authority.ts';

/** A listener that may have a certificate of its own. */
type Listener = 'operatorApi' | 'agentApi';
type Settings = Pick<ServerConfig, Listener>;

/** The organisation's certificates for the listeners, and the CAs of its clients: from the files that are set, as the last look found them. */
export class OwnStores {
  readonly #stores: Record<Listener, LinkStores>;

  private constructor(stores: Record<Listener, LinkStores>) {
    this.#stores = stores;
  }

  /** @throws ConfigError with every file that is not taken, each by the key of its setting */
  static async open({ operatorApi, agentApi }: Settings, now: () => number): Promise<OwnStores> {
    const opened = await Promise.allSettled([
      open('operatorApi', { ...operatorApi, truststore: { type: 'auto' } }, now),
      open('agentApi', agentApi, now),
    ]);
    const [ofOperators, ofAgents] = opened;
    if (ofOperators.status === 'fulfilled' && ofAgents.status === 'fulfilled')
      return new OwnStores({ operatorApi: ofOperators.value, agentApi: ofAgents.value });
    const problems = opened.flatMap((outcome): string[] => {
      if (outcome.status === 'fulfilled') return [];
      if (outcome.reason instanceof StoresError) return outcome.reason.message.split('\n');
      throw outcome.reason;
    });
    throw new ConfigError('sallyport-server', problems);
  }

  /** What is set for a listener in place of a certificate of the built-in CA. */
  certificateOf(listener: Listener): ServerCertificate | undefined {
    const own = this.#stores[listener].keystore;
    return own && { cert: own.chain, key: own.key };
  }

  /** The certificate at the end of a listener's own chain, PEM, which clients can pin or trust. */
  topOf(listener: Listener): string | undefined {
    const own = this.#stores[listener].keystore;
    const blocks = own && pemBlocks(own.chain).map(({ text }) => text);
    return blocks && parseCertificates(blocks).at(-1)?.toString();
  }

  /** The CAs of the organisation whose client certificates are taken, PEM each. */
  get clientAuthorities(): readonly string[] {
    return this.#stores.agentApi.truststore ?? [];
  }

  /** What keeps a changed file from being taken. */
  get problems(): StoreProblem[] {
    return Object.values(this.#stores).flatMap(({ problems }) => problems);
  }

  /** When the certificate of each keystore that is set ends, by the key of its setting. */
  get ends(): [key: string, at: Date][] {
    return Object.values(this.#stores).flatMap((stores) => stores.ends);
  }

  /** Looks at the files again. What is not taken is told once, and leaves what there was. */
  async refresh(): Promise<{ replaced: boolean; problems: StoreProblem[] }> {
    const found = await Promise.all(Object.values(this.#stores).map((each) => each.refresh()));
    return {
      replaced: found.some(({ replaced }) => replaced),
      problems: found.flatMap(({ problems }) => problems),
    };
  }
}

async function open(
  key: Listener,
  { keystore, truststore }: Pick<Settings['agentApi'], 'keystore' | 'truststore'>,
  now: () => number,
): Promise<LinkStores> {
  return LinkStores.open({ key, keystore, truststore, usage: 'serverAuth', now });
}
