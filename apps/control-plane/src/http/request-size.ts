import type { FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';

/** The parser's bound on path and headers together, in bytes. */
export const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
const MAX_URL_LENGTH = 4 * 1024;

/**
 * Refuses a request before anything is done for it. Node would rather leave out what is too many: without a
 * precondition's header, say, a request would mean another.
 *
 * @throws AppError `request.headers_too_large`, `request.invalid`
 */
export function refuseOversized({ raw }: FastifyRequest): void {
  if (raw.rawHeaders.length > 2 * MAX_HEADERS)
    throw new AppError(
      'request.headers_too_large',
      `The request has too many headers; send at most ${MAX_HEADERS}.`,
    );
  if ((raw.url ?? '').length > MAX_URL_LENGTH)
    throw new AppError(
      'request.invalid',
      `The path and query are too long; send at most ${MAX_URL_LENGTH} bytes.`,
    );
}
