import { request, type IncomingMessage } from 'node:http';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import { elapsedMs, later, momentOf, type Clock, type Moment } from '../clock.ts';
import { responseTo } from '../response-to.ts';
import { CREDENTIAL, readCredential } from './credential.ts';
import type { ProviderLink } from './provider-link.ts';
import { limited, retryAfterOf, turnedAway, unreachable, unusable } from './provider.ts';
import type { AzureSettings } from './settings.ts';

/** A token is got anew so long before it ends. */
const MARGIN_SECONDS = 120;
const KEY = 'references.azureKv';
const MACHINE = 'the identity endpoint of this machine';
const MAX_REPLY_BYTES = 64 * 1024;

/** The identity endpoint writes numbers as text. */
const tokenReply = z.object({
  access_token: z.string().regex(CREDENTIAL),
  expires_in: z.coerce.number().min(0),
});

type LoginParts = { link: ProviderLink } & Pick<Clock, 'now' | 'monotonic'>;
type Held = { token: string; endsAt: Moment };

/**
 * Tokens for Key Vault: from Microsoft Entra by OAuth 2.0 client credentials (RFC 6749, section 4.4; RFC 7523 with a
 * workload's own token), or from the identity endpoint of the machine.
 */
export class AzureLogin {
  readonly #settings: AzureSettings;
  readonly #parts: LoginParts;
  #held: Held | undefined;
  #getting: Promise<Held> | undefined;

  constructor(settings: AzureSettings, parts: LoginParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** One that lasts. Requests that find none wait for the same. */
  async token(signal: AbortSignal): Promise<string> {
    const held = this.#held;
    if (held !== undefined && elapsedMs(this.#parts, held.endsAt) < 0) return held.token;
    this.#getting ??= this.#get(signal).finally(() => {
      this.#getting = undefined;
    });
    this.#held = await this.#getting;
    return this.#held.token;
  }

  /** It is refused: the next request gets another. */
  forget(token: string): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  close(): void {
    this.#parts.link.close();
  }

  async #get(signal: AbortSignal): Promise<Held> {
    const isManaged = this.#settings.auth === 'managed-identity';
    const reply = await (isManaged ? this.#ofMachine(signal) : this.#ofEntra(signal));
    const read = tokenReply.safeParse(reply);
    if (!read.success) throw unusable('the login to Azure gives something that is no token');
    const { access_token: token, expires_in: seconds } = read.data;
    const lasts = Math.max(seconds - MARGIN_SECONDS, seconds / 2);
    return { token, endsAt: later(momentOf(this.#parts), lasts * 1000) };
  }

  async #ofEntra(signal: AbortSignal): Promise<unknown> {
    const { tenantId, clientId = '', resource } = this.#settings;
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      scope: `${resource}/.default`,
      ...(await this.#proof()),
    });
    const { link } = this.#parts;
    const reply = await link.request('POST', `/${tenantId}/oauth2/v2.0/token`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      text: form.toString(),
      signal,
    });
    // RFC 6749, section 5.2: 400 for credentials that are not accepted, too.
    return link.json(reply.status === 400 ? { ...reply, status: 401 } : reply);
  }

  async #proof(): Promise<Record<string, string>> {
    const { auth, clientSecretFile = '', federatedTokenFile = '' } = this.#settings;
    if (auth === 'client-secret') return { client_secret: await readCredential(clientSecretFile) };
    return {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await readCredential(federatedTokenFile),
    };
  }

  /** By plain HTTP, as it is offered: it does not leave the machine, and the address cannot be another. */
  async #ofMachine(signal: AbortSignal): Promise<unknown> {
    const { identityEndpoint, resource, clientId } = this.#settings;
    const query = new URLSearchParams({ 'api-version': '2018-02-01', resource });
    if (clientId !== undefined) query.set('client_id', clientId);
    const url = `${identityEndpoint}/metadata/identity/oauth2/token?${query.toString()}`;
    const asked = request(url, { headers: { metadata: 'true' }, signal, agent: false });
    asked.on('error', () => {});
    asked.end();
    try {
      const response = await responseTo(asked);
      if (response?.statusCode !== 200) throw this.#refusal(response);
      return JSON.parse(await textOf(response));
    } catch (error) {
      if (error instanceof AgentError) throw error;
      // Not the parser's: it quotes the reply.
      if (error instanceof SyntaxError)
        throw unusable(`${MACHINE} answers something that is no JSON`);
      throw unreachable(`${MACHINE} is not reached`, undefined, error);
    } finally {
      asked.destroy();
    }
  }

  /** As the documentation of managed identities has it: 404 and 410 are to be tried again, too. */
  #refusal({ statusCode = 0, headers = {} }: Partial<IncomingMessage> = {}): AgentError {
    const retryAfterMs = retryAfterOf(headers, this.#parts.now());
    if (statusCode === 429) return limited(MACHINE, retryAfterMs);
    if (statusCode >= 500 || statusCode === 404 || statusCode === 410)
      return unreachable(`${MACHINE} answers ${statusCode}`, retryAfterMs);
    if ([400, 401, 403].includes(statusCode)) return turnedAway(MACHINE, KEY);
    return unusable(`${MACHINE} answers ${statusCode}`);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_REPLY_BYTES) throw unusable(`${MACHINE} answers too much`);
  }
  return text;
}
