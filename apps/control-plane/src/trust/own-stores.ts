import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { ConfigError } from '@sallyport/config/load';
import { parseCertificates } from '@sallyport/tls/certificate-chain';
import { parseEndpoint } from '@sallyport/tls/endpoint';
import { LinkStores, type StoreProblem, type StoresOptions } from '@sallyport/tls/link-stores';
import { pemBlocks } from '@sallyport/tls/pem';
import type { ServerConfig } from '../platform/config.ts';
import type { ServerCertificate } from './certificate-authority.ts';

/** The listeners that may have a certificate of their own. */
const listeners = ['operatorApi', 'agentApi'] as const;
type Listener = (typeof listeners)[number];
type Side = Listener | 'dialer';
type Settings = Pick<ServerConfig, Side | 'publicHosts'>;

/**
 * The organisation's certificates and CAs, for the listeners and their clients and for the agents that are dialled:
 * from the files that are set, as the last look found them.
 */
export class OwnStores {
  readonly #stores: Record<Side, LinkStores>;
  readonly #hosts: readonly string[];

  private constructor(stores: Record<Side, LinkStores>, hosts: readonly string[]) {
    this.#hosts = hosts;
    this.#stores = stores;
  }

  /** @throws ConfigError with every file that is not taken, each by the key of its setting */
  static async open(
    { operatorApi, agentApi, dialer, publicHosts }: Settings,
    now: () => number,
  ): Promise<OwnStores> {
    const { publicUrl } = agentApi;
    const ofUrl = publicUrl === undefined ? [] : [parseEndpoint(publicUrl).host];
    const ofOperators = { ...operatorApi, truststore: { type: 'auto' } } as const;
    const own = new OwnStores(
      {
        operatorApi: await follow('operatorApi', ofOperators, { usage: 'serverAuth', now }),
        agentApi: await follow('agentApi', agentApi, { usage: 'serverAuth', now }),
        dialer: await follow('dialer', dialer, { usage: 'clientAuth', now }),
      },
      [...publicHosts, ...ofUrl],
    );
    if (own.problems.length === 0) return own;
    throw new ConfigError(
      'sallyport-server',
      own.problems.map(({ text }) => text),
    );
  }

  /** For the agents that are dialled. */
  get dialer(): Pick<LinkStores, 'keystore' | 'truststore'> {
    return this.#stores.dialer;
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

  /** The names of each listener's own certificate that is for no host that clients use, by the key of its setting. */
  get misnamed(): [key: string, names: string[]][] {
    return listeners.flatMap((listener): [string, string[]][] => {
      const own = this.#stores[listener].keystore;
      if (own === undefined || isForAny(this.#hosts, own.chain)) return [];
      const { dnsNames, ipAddresses, uris } = own.facts;
      return [[`${listener}.keystore`, [...dnsNames, ...ipAddresses, ...uris]]];
    });
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

function follow(
  key: Side,
  { keystore, truststore }: Pick<Settings['agentApi'], 'keystore' | 'truststore'>,
  options: Pick<StoresOptions, 'usage' | 'now'>,
): Promise<LinkStores> {
  return LinkStores.follow({ key, keystore, truststore, ...options });
}

/** As clients compare them; a common name does not count. */
function isForAny(hosts: readonly string[], chain: string): boolean {
  const leaf = new X509Certificate(chain);
  return hosts.some((host) =>
    isIP(host) === 0
      ? leaf.checkHost(host, { subject: 'never' }) !== undefined
      : leaf.checkIP(host) !== undefined,
  );
}
