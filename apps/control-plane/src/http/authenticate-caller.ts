import { ApiKeyAuthenticator } from '../api-keys/index.ts';
import type { Operation } from '../authorization/index.ts';
import { SessionAuthenticator } from '../operators/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Platform } from '../platform/platform.ts';

/** Tells who calls the operator API: an operator by its session, automation by its API key. */
export class CallerAuthenticator {
  readonly #sessions: SessionAuthenticator;
  readonly #apiKeys: ApiKeyAuthenticator;

  constructor(platform: Platform) {
    this.#sessions = new SessionAuthenticator(platform);
    this.#apiKeys = new ApiKeyAuthenticator(platform);
  }

  /** @throws AppError `session.required`, `session.invalid`, `api_key.*`, `hashing.busy` */
  async authenticate(
    authorization: string | undefined,
    requestId: string,
    address: string,
  ): Promise<Operation> {
    const text = /^Bearer (\S{1,256})$/i.exec(authorization ?? '')?.[1];
    if (text === undefined)
      throw new AppError(
        'session.required',
        'Sign in first: send Authorization: Bearer with a session token or an API key.',
      );
    const authenticator = text.startsWith('sp_key_') ? this.#apiKeys : this.#sessions;
    return authenticator.authenticate(text, requestId, address);
  }
}
