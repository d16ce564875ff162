import { tlsOptions, type TlsPolicy } from '@sallyport/tls/policy';
import type { FastifyInstance } from 'fastify';
import type { Platform } from '../platform/platform.ts';
import { SERVER_CERTIFICATE_DAYS, type ServerCertificate } from '../trust/index.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const HALF_LIFE_MS = (SERVER_CERTIFICATE_DAYS * DAY_MS) / 2;

/** A listener, and what may be negotiated with it. */
export type Listener = { app: Pick<FastifyInstance, 'server'>; tls: TlsPolicy };

/** Gives the listeners a new certificate at half of its life. Looks once a day, since no timer runs for 45. */
export function keepCertificateFresh(
  listeners: Listener[],
  issue: () => Promise<ServerCertificate>,
  { clock, log }: Platform,
): NodeJS.Timeout {
  let renewAt = clock.now() + HALF_LIFE_MS;
  const renewIfDue = async () => {
    if (clock.now() < renewAt) return;
    const certificate = await issue();
    for (const listener of listeners) replaceCertificate(listener, certificate);
    renewAt = clock.now() + HALF_LIFE_MS;
    log.info('the server certificate was renewed');
  };
  return setInterval(
    () =>
      void renewIfDue().catch((error: unknown) =>
        log.error({ err: error }, 'the server certificate could not be renewed'),
      ),
    DAY_MS,
  );
}

/** For the connections to come. The policy goes with it: Node would forget it for its own defaults. */
export function replaceCertificate(
  { app: { server }, tls }: Listener,
  certificate: ServerCertificate,
): void {
  if (!('setSecureContext' in server) || typeof server.setSecureContext !== 'function')
    throw new TypeError('the listener does not speak TLS');
  server.setSecureContext({ ...certificate, ...tlsOptions(tls) });
}
