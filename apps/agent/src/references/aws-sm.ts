import { Readable } from 'node:stream';
import { z } from 'zod';
import { aborted } from '../aborted.ts';
import { AgentError } from '../agent-error.ts';
import type { AwsSdk, RequestHandler } from './aws-sdk.ts';
import { memberOf } from './member.ts';
import { ProviderLink, type ProviderContext } from './provider-link.ts';
import {
  denied,
  limited,
  notThere,
  retryAfterOf,
  turnedAway,
  unreachable,
  unusable,
  type Provider,
} from './provider.ts';
import type { ReferenceOf } from './reference.ts';
import type { AwsSettings } from './settings.ts';

const NAME = 'AWS Secrets Manager';
const KEY = 'references.awsSm';
/** The configuration holds none of them. */
const CREDENTIALS = `${KEY}: the variables, the profile or the role by which AWS’s own SDK finds them`;

/** As the service calls what is wrong with whoever asks; the rest of the SDK's errors of credentials end in this. */
const OF_CREDENTIALS = new Set([
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'IncompleteSignatureException',
  'MissingAuthenticationTokenException',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'CredentialsProviderError',
  'TokenProviderError',
]);
const OF_RATE = new Set([
  'ThrottlingException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
]);
const OF_ABSENCE = new Set(['ResourceNotFoundException', 'InvalidRequestException']);

const sdkError = z.object({
  name: z.string(),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional(),
  $response: z.object({ headers: z.record(z.string(), z.string()) }).optional(),
});

/** Of the SDK's types, what is used here. */
type SdkRequest = {
  protocol: string;
  hostname: string;
  port?: number;
  method: string;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: string | Uint8Array;
};

/**
 * AWS Secrets Manager by AWS’s own SDK, with the credentials that its default chain finds. Its requests go over a
 * link of the agent’s, so that they keep to its TLS policy, its CAs and its proxy.
 */
export class AwsProvider implements Provider<'aws-sm'> {
  readonly #settings: AwsSettings;
  readonly #context: ProviderContext;
  #sdk: Promise<AwsSdk> | undefined;
  /** By origin: the chain of credentials may ask others, such as STS, in the same way. */
  readonly #links = new Map<string, ProviderLink>();

  constructor(settings: AwsSettings, context: ProviderContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async resolve({ secretId, field }: ReferenceOf<'aws-sm'>, signal: AbortSignal): Promise<Buffer> {
    const loading = (this.#sdk ??= this.#load().catch((error: unknown) => {
      // What keeps it from being loaded is a file, which somebody may put there.
      this.#sdk = undefined;
      throw error;
    }));
    const reading = loading.then(async (sdk) => ({ value: await sdk.read(secretId, signal) }));
    const read = await Promise.race([reading, aborted(signal)]).catch((error: unknown) => {
      throw this.#faultOf(error);
    });
    if (read === undefined) {
      // Its chain of credentials heeds no signal, and what waits there everybody waits for.
      if (this.#sdk === loading) this.#sdk = undefined;
      void loading.then((sdk) => sdk.close()).catch(() => {});
      throw unreachable(`${NAME} did not answer in time`);
    }
    const { value } = read;
    if (value === undefined) throw unusable(`${NAME} answers something that is no secret`);
    return memberOf(Buffer.from(value), field);
  }

  close(): void {
    void this.#sdk?.then((sdk) => sdk.close()).catch(() => {});
    for (const link of this.#links.values()) link.close();
  }

  async #load(): Promise<AwsSdk> {
    const { AwsSdk } = await import('./aws-sdk.ts').catch((cause: unknown) => {
      throw unusable(
        'the part of the agent that asks AWS cannot be loaded',
        'put the file sallyport-agent-aws.mjs beside that of the agent',
        cause,
      );
    });
    const { region, endpoint } = this.#settings;
    return new AwsSdk({ region, endpoint, requestHandler: this.#handler() });
  }

  #handler(): RequestHandler {
    return {
      handle: async (request: SdkRequest, options?: { abortSignal?: unknown }) => {
        const { method, headers, body } = request;
        const signal = options?.abortSignal;
        const reply = await this.#linkTo(originOf(request)).request(method, pathOf(request), {
          headers,
          text: typeof body === 'string' ? body : new TextDecoder().decode(body),
          ...(signal instanceof AbortSignal ? { signal } : {}),
        });
        const replied = z.record(z.string(), z.string().catch('')).parse(reply.headers);
        const response = { statusCode: reply.status, headers: replied };
        return { response: { ...response, body: Readable.from([reply.body]) } };
      },
    };
  }

  #linkTo(url: string): ProviderLink {
    let link = this.#links.get(url);
    if (link === undefined) {
      const parts = { ...this.#context, provider: NAME, key: KEY, settings: this.#settings };
      this.#links.set(url, (link = new ProviderLink({ ...parts, url })));
    }
    return link;
  }

  #faultOf(error: unknown): unknown {
    const parsed = sdkError.safeParse(error);
    if (error instanceof AgentError || !parsed.success) return error;
    const { name, $metadata, $response } = parsed.data;
    const retryAfterMs = retryAfterOf($response?.headers ?? {}, this.#context.now());
    const status = $metadata?.httpStatusCode ?? 0;
    if (OF_ABSENCE.has(name))
      return notThere(
        `${NAME} has nothing at what the secret refers to`,
        'write it there, or mend the reference',
      );
    if (OF_CREDENTIALS.has(name)) return turnedAway(NAME, CREDENTIALS);
    if (name === 'AccessDeniedException')
      return denied(
        `${NAME} does not let this agent read what the secret refers to`,
        `let its role secretsmanager:GetSecretValue, or mend the reference`,
      );
    if (status === 429 || OF_RATE.has(name)) return limited(NAME, retryAfterMs);
    if (status >= 500) return unreachable(`${NAME} answers ${status}`, retryAfterMs);
    return unusable(`${NAME} answers ${/^\w{1,64}$/.test(name) ? name : 'an error'}`);
  }
}

function originOf({ protocol, hostname, port }: SdkRequest): string {
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`;
}

function pathOf({ path, query = {} }: SdkRequest): string {
  const given = new URLSearchParams();
  for (const [name, values] of Object.entries(query))
    for (const value of [values ?? ''].flat()) given.append(name, value);
  return given.size === 0 ? path : `${path}?${given.toString()}`;
}
