import { tlsOptions, type TlsPolicy } from '@sallyport/tls/policy';
import type { FastifyInstance } from 'fastify';
import type { Platform } from '../platform/platform.ts';
import { SERVER_CERTIFICATE_DAYS, type ServerCertificate } from '../trust/index.ts';
import { trusting, type ClientAuthorities } from './create-app.ts';

const HALF_LIFE_MS = (SERVER_CERTIFICATE_DAYS * 24 * 60 * 60 * 1000) / 2;
const LOOK_EVERY_MS = 60_000;

/** A listener, what may be negotiated with it, and of which CAs it takes client certificates. */
export type Listener = {
  app: Pick<FastifyInstance, 'server'>;
  tls: TlsPolicy;
  /** The organisation's own certificate for it; undefined: the built-in CA issues one. */
  own: () => ServerCertificate | undefined;
  clientAuthorities?: () => ClientAuthorities;
};

/** Where listeners' certificates come from. `changed` looks whether another CA issues by now. */
export type CertificateSource = {
  first: ServerCertificate;
  issue: () => Promise<ServerCertificate>;
  changed: () => Promise<boolean>;
};

/** Gives the listeners a new certificate at half of its life, and when another CA issues. */
export class CertificateRenewal {
  readonly #listeners: Listener[];
  readonly #source: CertificateSource;
  readonly #platform: Pick<Platform, 'clock' | 'log'>;
  readonly #timer: NodeJS.Timeout;
  #renewAt: number;
  /** Another CA issues, and the listeners do not know of it yet. */
  #changed = false;
  #issued: ServerCertificate;
  #looking: Promise<void> | undefined;

  constructor(
    listeners: Listener[],
    source: CertificateSource,
    platform: Pick<Platform, 'clock' | 'log'>,
  ) {
    this.#listeners = listeners;
    this.#source = source;
    this.#issued = source.first;
    this.#platform = platform;
    this.#renewAt = platform.clock.now() + HALF_LIFE_MS;
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  /** Looks whether a new one is due. What fails is logged, and tried again in a minute. */
  async look(): Promise<void> {
    const before = this.#looking ?? Promise.resolve();
    // After a look that is under way, which may have read before what this one is asked for.
    this.#looking = before.then(() => this.#renewIfDue());
    return this.#looking;
  }

  /** Gives the listeners what there is for them now, for the connections to come. */
  present(): void {
    for (const listener of this.#listeners)
      replaceCertificate(listener, listener.own() ?? this.#issued);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #renewIfDue(): Promise<void> {
    const { clock, log } = this.#platform;
    try {
      this.#changed = (await this.#source.changed()) || this.#changed;
      if (!this.#changed && clock.now() < this.#renewAt) return;
      this.#issued = await this.#source.issue();
      this.present();
      this.#renewAt = clock.now() + HALF_LIFE_MS;
      this.#changed = false;
      log.info('the server certificate was renewed');
    } catch (error) {
      log.error({ err: error }, 'the server certificate could not be renewed');
    }
  }
}

/** For connections from now on. The policy goes with it: Node would fall back to its own defaults. */
export function replaceCertificate(
  { app: { server }, tls, clientAuthorities }: Omit<Listener, 'own'>,
  certificate: ServerCertificate,
): void {
  if (!('setSecureContext' in server) || typeof server.setSecureContext !== 'function')
    throw new TypeError('the listener does not speak TLS');
  const ca = clientAuthorities === undefined ? {} : trusting(clientAuthorities());
  server.setSecureContext({ ...certificate, ...tlsOptions(tls), ...ca });
}
