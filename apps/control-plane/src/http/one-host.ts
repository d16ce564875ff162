import type { FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';

/**
 * Refuses a request for two hosts (RFC 9112, section 3.2): Node takes the first, whoever stands before may have
 * taken the second, and proofs and origins are held against one of them.
 *
 * @throws AppError `request.invalid`
 */
export function refuseTwoHosts({ raw }: FastifyRequest): void {
  const hosts = raw.rawHeaders.filter((name, at) => at % 2 === 0 && /^host$/i.test(name));
  if (hosts.length > 1)
    throw new AppError('request.invalid', 'The request names two hosts; send one Host header.');
}
