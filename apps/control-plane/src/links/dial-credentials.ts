import type { SecureContext } from 'node:tls';
import { diallingContext } from '@sallyport/tls/dial-agent';
import type { ServerConfig } from '../platform/config.ts';
import type { Platform } from '../platform/platform.ts';
import {
  SERVER_CERTIFICATE_DAYS,
  type OwnStores,
  type ServerCertificate,
  type Trust,
} from '../trust/index.ts';

const HALF_LIFE_MS = (SERVER_CERTIFICATE_DAYS / 2) * 24 * 60 * 60 * 1000;

/** Agents are known by the pins of their links alone. */
const NOBODY: readonly string[] = [];

type CredentialsParts = {
  clock: Platform['clock'];
  authorities: Trust['authorities'];
  own: Pick<OwnStores, 'dialer'>;
  config: Pick<ServerConfig, 'dialer' | 'publicHosts'>;
};

/**
 * What the control plane shows to the agents that it dials, and the CAs that it knows them by: from the files that are
 * set, as they were last taken, and a certificate of its own CA where no keystore is.
 */
export class DialCredentials {
  readonly #parts: CredentialsParts;
  #made: { certificate: ServerCertificate; renewAtMs: number; authority: string } | undefined;
  #context: { cert: string; ca: readonly string[]; secureContext: SecureContext } | undefined;

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
  }

  /** For the connections to come. */
  async secureContext(): Promise<SecureContext> {
    const { own, config } = this.#parts;
    const { keystore, truststore: ca = NOBODY } = own.dialer;
    const { cert, key } =
      keystore === undefined
        ? await this.#ownCertificate()
        : { cert: keystore.chain, key: keystore.key };
    const made = this.#context;
    if (made !== undefined && made.cert === cert && made.ca === ca) return made.secureContext;
    const secureContext = diallingContext({ cert, key, ca }, config.dialer.tls);
    this.#context = { cert, ca, secureContext };
    return secureContext;
  }

  async #ownCertificate(): Promise<ServerCertificate> {
    const { authorities, clock, config } = this.#parts;
    const nowMs = clock.now();
    const { id: authority } = authorities.active;
    const made = this.#made;
    if (made?.authority === authority && nowMs < made.renewAtMs) return made.certificate;
    const certificate = await authorities.issueClientCertificate(config.publicHosts, nowMs);
    this.#made = { certificate, renewAtMs: nowMs + HALF_LIFE_MS, authority };
    return certificate;
  }
}
