import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../platform/app-error.ts';

/** The prefix makes browsers refuse it without Secure, with a Domain, or for a path (RFC 6265bis, section 4.1.3). */
const NAME = '__Host-sallyport';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The token in the cookie, if there is exactly one. */
export function sessionCookie(header: string | undefined): string | undefined {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${NAME}=`))
    .map((pair) => pair.slice(NAME.length + 1));
  return values.length === 1 ? values[0] : undefined;
}

/** It has no end of its own, so a browser forgets it when it is closed. */
export function setSessionCookie(reply: FastifyReply, token: string): void {
  reply.header('set-cookie', `${NAME}=${token}; ${ATTRIBUTES}`);
}

export function clearSessionCookie(reply: FastifyReply): void {
  reply.header('set-cookie', `${NAME}=; ${ATTRIBUTES}; Max-Age=0`);
}

/**
 * Refuses what another site could have made a browser send along with the cookie. Needed besides SameSite:
 * a header that no form can set, and the browser's own word for where the request comes from.
 *
 * @throws AppError `csrf.refused`
 */
export function refuseForgery({ method, headers, host }: FastifyRequest): void {
  if (SAFE_METHODS.has(method)) return;
  const { origin, 'sec-fetch-site': site } = headers;
  const said = origin !== undefined || site !== undefined;
  const sameOrigin =
    said &&
    (origin === undefined || origin === `https://${host}`) &&
    (site === undefined || site === 'same-origin');
  if (headers['x-sallyport-csrf'] === '1' && sameOrigin) return;
  throw new AppError(
    'csrf.refused',
    'A session by cookie changes something only from its own origin, and with the header X-Sallyport-CSRF: 1.',
  );
}
