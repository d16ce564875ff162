import type { FastifyRequest } from 'fastify';
import { ApiKeyAuthenticator } from '../api-keys/index.ts';
import type { Operation } from '../authorization/index.ts';
import { SessionAuthenticator, type SessionPolicy } from '../operators/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';
import { refuseForgery, sessionCookie } from './session-cookie.ts';

/** Tells who calls the operator API: an operator by its session, automation by its API key. */
export class CallerAuthenticator {
  readonly #sessions: SessionAuthenticator;
  readonly #apiKeys: ApiKeyAuthenticator;

  constructor(platform: Platform, sessions: SessionPolicy) {
    this.#sessions = new SessionAuthenticator(platform, sessions);
    this.#apiKeys = new ApiKeyAuthenticator(platform);
  }

  /**
   * By the Authorization header or, without one, by the cookie of a session.
   *
   * @throws AppError `session.required`, `session.invalid`, `api_key.*`, `csrf.refused`, `hashing.busy`
   */
  async authenticate(request: FastifyRequest): Promise<Operation> {
    const { headers, id, ip } = request;
    const { authorization } = headers;
    const cookie = authorization === undefined ? sessionCookie(headers.cookie) : undefined;
    if (cookie !== undefined) {
      refuseForgery(request);
      return this.#sessions.authenticate(cookie, id, ip);
    }
    const text = /^Bearer (\S{1,256})$/i.exec(authorization ?? '')?.[1];
    if (text === undefined)
      throw new AppError(
        'session.required',
        'Sign in first: send Authorization: Bearer with a session token or an API key.',
      );
    const authenticator = text.startsWith('sp_key_') ? this.#apiKeys : this.#sessions;
    return authenticator.authenticate(text, id, ip);
  }
}
