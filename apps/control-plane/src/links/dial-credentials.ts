import type { SecureContext } from 'node:tls';
import { ConfigError } from '@sallyport/config/load';
import { diallingContext } from '@sallyport/tls/dial-agent';
import { LinkStores, StoresError, type StoreProblem } from '@sallyport/tls/link-stores';
import type { ServerConfig } from '../platform/config.ts';
import type { Platform } from '../platform/platform.ts';
import { SERVER_CERTIFICATE_DAYS, type ServerCertificate, type Trust } from '../trust/index.ts';

const HALF_LIFE_MS = (SERVER_CERTIFICATE_DAYS / 2) * 24 * 60 * 60 * 1000;

type CredentialsParts = Pick<Platform, 'clock' | 'log'> & {
  authorities: Trust['authorities'];
  config: Pick<ServerConfig, 'dialer' | 'publicHosts'>;
};

/**
 * What the control plane shows to the agents that it dials, and the CAs that it knows them by: from the files that are
 * set, and a certificate of its own CA where no keystore is. As `refresh` last found them.
 */
export class DialCredentials {
  readonly #parts: CredentialsParts;
  readonly #stores: LinkStores;
  #made: { certificate: ServerCertificate; renewAtMs: number; authority: string } | undefined;
  #secureContext: SecureContext | undefined;

  private constructor(parts: CredentialsParts, stores: LinkStores) {
    this.#parts = parts;
    this.#stores = stores;
  }

  /** @throws ConfigError with every file that is not taken, each by the key of its setting */
  static async open(parts: CredentialsParts): Promise<DialCredentials> {
    const { keystore, truststore } = parts.config.dialer;
    const now = () => parts.clock.now();
    const options = { key: 'dialer', keystore, truststore, usage: 'clientAuth', now } as const;
    try {
      return new DialCredentials(parts, await LinkStores.open(options));
    } catch (error) {
      if (!(error instanceof StoresError)) throw error;
      throw new ConfigError('sallyport-server', error.message.split('\n'));
    }
  }

  /** What keeps a changed file from being taken. */
  get problems(): StoreProblem[] {
    return this.#stores.problems;
  }

  /** As `OwnStores.ends`. */
  get ends(): [key: string, at: Date][] {
    return this.#stores.ends;
  }

  /** For the connections to come. */
  async secureContext(): Promise<SecureContext> {
    const own = this.#stores.keystore;
    const { cert, key } =
      own === undefined ? await this.#ownCertificate() : { cert: own.chain, key: own.key };
    this.#secureContext ??= diallingContext(
      { cert, key, ca: this.#stores.truststore ?? [] },
      this.#parts.config.dialer.tls,
    );
    return this.#secureContext;
  }

  /** Looks at the files again. */
  async refresh(): Promise<void> {
    const { log } = this.#parts;
    const { replaced, problems } = await this.#stores.refresh();
    for (const { code, text } of problems)
      log.error(
        { code, reason: text },
        'a file of certificates is not taken; what it held before still counts',
      );
    if (!replaced) return;
    this.#secureContext = undefined;
    log.info('the certificates of the links were replaced');
  }

  async #ownCertificate(): Promise<ServerCertificate> {
    const { authorities, clock, config } = this.#parts;
    const nowMs = clock.now();
    const { id: authority } = authorities.active;
    const made = this.#made;
    if (made?.authority === authority && nowMs < made.renewAtMs) return made.certificate;
    const certificate = await authorities.issueClientCertificate(config.publicHosts, nowMs);
    this.#made = { certificate, renewAtMs: nowMs + HALF_LIFE_MS, authority };
    this.#secureContext = undefined;
    return certificate;
  }
}
