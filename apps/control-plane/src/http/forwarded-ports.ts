import type { FastifyRequest } from 'fastify';

/** `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
const WITH_PORT = /^(\d+(?:\.\d+){3}):\d+$|^\[([^\]]*)\](?::\d+)?$/;

/**
 * Takes the ports off that some proxies write behind the addresses in X-Forwarded-For. With one, nothing is taken for
 * an address: no proxy is trusted, no client is in a network, and each of its connections is limited by itself.
 */
export function forgetForwardedPorts({ raw: { headers } }: FastifyRequest): void {
  const forwarded = headers['x-forwarded-for'];
  if (typeof forwarded !== 'string') return;
  const addresses = forwarded.split(',').map((text) => text.trim().replace(WITH_PORT, '$1$2'));
  headers['x-forwarded-for'] = addresses.join(', ');
}
