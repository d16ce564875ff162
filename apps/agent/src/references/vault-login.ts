import type { LinkReply, LinkRequest } from '@sallyport/tls/https-link';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import { CREDENTIAL, readCredential } from './credential.ts';
import type { ProviderLink } from './provider-link.ts';
import { unusable } from './provider.ts';
import type { VaultSettings } from './settings.ts';

/** How much of its life a token has had when it is renewed. */
const RENEW_AFTER = 2 / 3;
/** A token that was got so lately is not got anew when it is refused: then it is not the token. */
const FRESH_MS = 10_000;

/** So long the end of the agent waits for Vault. */
const LOG_OUT_MS = 1_000;
const REVOKE_PATH = '/v1/auth/token/revoke-self';

const loginReply = z.object({
  auth: z.object({
    client_token: z.string().regex(CREDENTIAL),
    lease_duration: z.number().min(0),
    renewable: z.boolean(),
  }),
});
const lookupReply = z.object({
  data: z.object({ ttl: z.number().min(0), renewable: z.boolean() }),
});

/** A token, by the agent's monotonic clock; one without an end never ends. */
type Lease = { token: string; gotAtMs: number; renewAtMs: number; endsAtMs: number };
type Life = { token: string; seconds: number; renewable: boolean };

type LoginParts = {
  link: ProviderLink;
  settings: VaultSettings;
  /** Monotonic, in milliseconds. */
  monotonic: () => number;
};

/** The agent's standing with Vault: a token of a file, or of a login, renewed when it is needed late in its life. */
export class VaultLogin {
  readonly #parts: LoginParts;
  #lease: Lease | undefined;
  #getting: Promise<Lease> | undefined;

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /** A token that has not ended. Requests that find none wait for the same. */
  async token(signal: AbortSignal): Promise<string> {
    const { auth, tokenFile = '' } = this.#parts.settings;
    // Whoever rotates the token only puts another into the file.
    const given = auth === 'token' ? await readCredential(tokenFile) : undefined;
    const lease = this.#lease;
    const now = this.#parts.monotonic();
    if (lease !== undefined && now < lease.renewAtMs && (given ?? lease.token) === lease.token)
      return lease.token;
    this.#getting ??= this.#get(given, signal).finally(() => {
      this.#getting = undefined;
    });
    this.#lease = await this.#getting;
    return this.#lease.token;
  }

  /** Vault refuses the token. Whether another one may fare better. */
  forget(token: string): boolean {
    if (this.#lease?.token !== token) return true;
    if (this.#parts.monotonic() - this.#lease.gotAtMs < FRESH_MS) return false;
    this.#lease = undefined;
    return true;
  }

  /**
   * Has the token of a login revoked, that nobody else has. One of a file is whoever’s put it there.
   *
   * @throws AgentError `reference.*`
   */
  async logOut(): Promise<void> {
    // One that is being got would be kept after this.
    await this.#getting?.catch(() => {});
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined || this.#parts.settings.auth === 'token') return;
    if (this.#parts.monotonic() >= lease.endsAtMs) return;
    const request = { headers: this.#headers(lease.token), timeoutMs: LOG_OUT_MS };
    const { status } = await this.#parts.link.request('POST', REVOKE_PATH, request);
    if (status !== 204) throw unusable(`Vault answers ${status}`);
  }

  async #get(given: string | undefined, signal: AbortSignal): Promise<Lease> {
    const held = this.#lease;
    if (held !== undefined && (given ?? held.token) === held.token) {
      const renewed = await this.#renewed(held, signal);
      if (renewed !== undefined) return renewed;
    }
    return this.#leaseOf(
      given === undefined ? await this.#logIn(signal) : await this.#lookUp(given, signal),
    );
  }

  /** Undefined where another login is needed. */
  async #renewed(held: Lease, signal: AbortSignal): Promise<Lease | undefined> {
    if (this.#parts.monotonic() >= held.endsAtMs) return undefined;
    try {
      const path = '/v1/auth/token/renew-self';
      const headers = this.#headers(held.token);
      const reply = await this.#call('POST', path, { headers, json: {}, signal });
      const { lease_duration, renewable } = parsed(loginReply, reply).auth;
      // Less than a second of its longest is left, and not all time: one without an end is never renewed.
      if (lease_duration === 0) return undefined;
      return this.#leaseOf({ token: held.token, seconds: lease_duration, renewable });
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      // Until it ends it is good, whatever keeps Vault from renewing it now.
      return error.code === 'reference.denied' ? undefined : held;
    }
  }

  async #lookUp(token: string, signal: AbortSignal): Promise<Life> {
    const headers = this.#headers(token);
    const { data } = parsed(
      lookupReply,
      await this.#call('GET', '/v1/auth/token/lookup-self', { headers, signal }),
    );
    return { token, seconds: data.ttl, renewable: data.renewable };
  }

  async #logIn(signal: AbortSignal): Promise<Life> {
    const { auth, authMount = auth } = this.#parts.settings;
    const json = await this.#proof();
    const path = `/v1/auth/${authMount}/login`;
    const reply = await this.#call('POST', path, { headers: this.#headers(), json, signal });
    const { client_token: token, lease_duration, renewable } = parsed(loginReply, reply).auth;
    return { token, seconds: lease_duration, renewable };
  }

  async #proof(): Promise<Record<string, string | undefined>> {
    const settings = this.#parts.settings;
    const { auth, role, roleId, secretIdFile = '', serviceAccountTokenFile } = settings;
    if (auth === 'approle')
      return { role_id: roleId, secret_id: await readCredential(secretIdFile) };
    if (auth === 'kubernetes') return { role, jwt: await readCredential(serviceAccountTokenFile) };
    return { name: role };
  }

  #headers(token?: string): Record<string, string> {
    return vaultHeaders(this.#parts.settings, token);
  }

  async #call(method: string, path: string, request: LinkRequest): Promise<unknown> {
    const { link } = this.#parts;
    const reply: LinkReply = await link.request(method, path, request);
    // Which of them depends on the method, and on what is wrong with the credentials.
    const isRefused = reply.status === 400 || reply.status === 403;
    return link.json(isRefused ? { ...reply, status: 401 } : reply);
  }

  /** A token of no length is a root token, or another that never ends. */
  #leaseOf({ token, seconds, renewable }: Life): Lease {
    const gotAtMs = this.#parts.monotonic();
    if (seconds === 0) return { token, gotAtMs, renewAtMs: Infinity, endsAtMs: Infinity };
    const endsAtMs = gotAtMs + seconds * 1000;
    // One that cannot be renewed is replaced by another login at the same time.
    const isLeft = !renewable && this.#parts.settings.auth === 'token';
    const renewAtMs = isLeft ? endsAtMs : gotAtMs + seconds * 1000 * RENEW_AFTER;
    return { token, gotAtMs, renewAtMs, endsAtMs: renewable ? endsAtMs : renewAtMs };
  }
}

export function vaultHeaders(
  { namespace }: Pick<VaultSettings, 'namespace'>,
  token?: string,
): Record<string, string> {
  return {
    'x-vault-request': 'true',
    ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    ...(token === undefined ? {} : { 'x-vault-token': token }),
  };
}

function parsed<Schema extends z.ZodType>(schema: Schema, reply: unknown): z.output<Schema> {
  const result = schema.safeParse(reply);
  if (result.success) return result.data;
  // Not the parser's error: it may quote the reply.
  throw unusable(
    'Vault answers what its API does not say',
    'see whether references.vault.url is a Vault',
  );
}
