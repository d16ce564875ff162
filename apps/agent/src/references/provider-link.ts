import { HttpsLink, LinkError, type LinkReply, type LinkRequest } from '@sallyport/tls/https-link';
import type { LinkStores } from '@sallyport/tls/link-stores';
import type { TlsPolicy } from '@sallyport/tls/policy';
import type { Route } from '@sallyport/tls/route';
import { openStores, refreshStores, type StoreBlocks } from '../files/stores.ts';
import { caOf } from '../link/trust.ts';
import { walkTo } from '../local-api/json-walk.ts';
import type { Log } from '../log.ts';
import {
  denied,
  limited,
  notThere,
  retryAfterOf,
  turnedAway,
  unreachable,
  unusable,
} from './provider.ts';

const MAX_REPLY_BYTES = 1024 * 1024;
/** Of their own time, not of the request: 412 is what a standby of Vault says that does not know a token yet. */
const COME_BACK: ReadonlySet<number> = new Set([408, 412]);
/** Of a request whose signal says nothing. Those for values have one, by references.timeoutSeconds, of less. */
const TIMEOUT_MS = 125_000;

/** A provider that takes no certificate of the agent. */
const NONE: StoreBlocks['keystore'] = { type: 'auto' };

/** What the links of every provider need of the agent. */
export type ProviderContext = {
  route: () => Promise<Route>;
  tls: TlsPolicy;
  log: Log;
  now: () => number;
};

export type ProviderLinkParts = ProviderContext & {
  /** As people call it. */
  provider: string;
  /** The key of its section, for messages. */
  key: string;
  url: string;
  settings: Pick<StoreBlocks, 'truststore'> & Partial<StoreBlocks>;
};

/** The HTTPS link of one provider, opened when it is first used; it looks at its files again before each request. */
export class ProviderLink {
  readonly #parts: ProviderLinkParts;
  #opened: Promise<{ link: HttpsLink; stores: LinkStores | undefined }> | undefined;
  #isClosed = false;

  constructor(parts: ProviderLinkParts) {
    this.#parts = parts;
  }

  /** A reply of any status. @throws AgentError `reference.unreachable`, `reference.failed` */
  async request(method: string, path: string, request: LinkRequest): Promise<LinkReply> {
    try {
      const { link, stores } = await this.#open();
      if (stores !== undefined && (await refreshStores(stores, this.#parts.log)))
        link.replace(shownBy(stores));
      return await link.request(method, path, request);
    } catch (error) {
      throw error instanceof LinkError ? this.#faultOf(error) : error;
    }
  }

  /**
   * What stands at a path of the JSON of a reply that succeeded, byte for byte; undefined where nothing does. The reply
   * is zeroed, and the caller zeroes the rest.
   *
   * @throws AgentError by `refusal` for any other reply
   */
  member(reply: LinkReply, path: readonly string[]): Buffer | undefined {
    const { status, body } = reply;
    try {
      if (status < 200 || status > 299) throw this.refusal(reply);
      const span = walkTo(body, path);
      return span && Buffer.from(body.subarray(span.start, span.end));
    } catch (error) {
      throw error instanceof SyntaxError ? this.#noJson() : error;
    } finally {
      body.fill(0);
    }
  }

  /** The JSON of a reply that succeeded, whose bytes are zeroed. @throws AgentError by `refusal` for any other */
  json(reply: LinkReply): unknown {
    try {
      if (reply.status < 200 || reply.status > 299) throw this.refusal(reply);
      return JSON.parse(reply.body.toString());
    } catch (error) {
      // Not the parser's: it quotes the reply.
      throw error instanceof SyntaxError ? this.#noJson() : error;
    } finally {
      reply.body.fill(0);
    }
  }

  /** What a status other than success means, by what all of these APIs agree on. */
  refusal({ status, headers }: LinkReply): Error {
    const { provider, key, now } = this.#parts;
    const retryAfterMs = retryAfterOf(headers, now());
    if (status === 401) return turnedAway(provider, key);
    if (status === 403)
      return denied(
        `${provider} does not let this agent read what the secret refers to`,
        `let it, in ${provider}, or mend the reference`,
      );
    if (status === 404)
      return notThere(
        `${provider} has nothing at what the secret refers to`,
        'write it there, or mend the reference',
      );
    if (status === 429) return limited(provider, retryAfterMs);
    if (status >= 500 || COME_BACK.has(status))
      return unreachable(`${provider} answers ${status}`, retryAfterMs);
    return unusable(`${provider} answers ${status}`, 'see its log, and mend the reference');
  }

  #noJson(): Error {
    return unusable(`${this.#parts.provider} answers something that is no JSON`);
  }

  close(): void {
    this.#isClosed = true;
    // Whoever opens it is told what keeps it from that.
    void this.#opened?.then(({ link }) => link.close()).catch(() => {});
  }

  #open(): Promise<{ link: HttpsLink; stores: LinkStores | undefined }> {
    this.#opened ??= this.#connect().catch((error: unknown) => {
      // What keeps it from being opened is a file, which somebody may mend.
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #connect(): Promise<{ link: HttpsLink; stores: LinkStores | undefined }> {
    const { url, key, settings, route, tls } = this.#parts;
    const { keystore = NONE, truststore } = settings;
    const isGiven = keystore.file !== undefined || truststore.file !== undefined;
    const stores = isGiven
      ? await openStores(key, { keystore, truststore }, 'clientAuth')
      : undefined;
    const link = new HttpsLink({
      baseUrl: url,
      tls,
      route: await route(),
      timeoutMs: TIMEOUT_MS,
      maxBodyBytes: MAX_REPLY_BYTES,
      ...(stores && shownBy(stores)),
    });
    if (this.#isClosed) link.close();
    return { link, stores };
  }

  #faultOf(error: LinkError): Error {
    const { provider } = this.#parts;
    if (error.code === 'link.body_too_large')
      return unusable(`${provider} answers more than ${MAX_REPLY_BYTES} bytes`);
    return unreachable(`${provider} is not reached: ${error.message}`, undefined, error);
  }
}

function shownBy({ keystore, truststore }: LinkStores) {
  const identity = keystore && { cert: keystore.chain, key: keystore.key };
  return { ca: truststore && caOf({ certificates: truststore }), identity };
}
