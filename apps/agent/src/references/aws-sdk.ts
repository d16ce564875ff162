import {
  GetSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from '@aws-sdk/client-secrets-manager';

export type RequestHandler = NonNullable<SecretsManagerClientConfig['requestHandler']>;

type Options = { region: string; endpoint: string | undefined; requestHandler: RequestHandler };

/**
 * AWS’s own SDK, as far as it is used. It is as large as half of the agent, and is a file of its own beside it when the
 * agent is built: no agent that asks no AWS reads it.
 */
export class AwsSdk {
  readonly #client: SecretsManagerClient;

  constructor({ region, endpoint, requestHandler }: Options) {
    this.#client = new SecretsManagerClient({
      region,
      ...(endpoint === undefined ? {} : { endpoint }),
      // What is tried again, and when, is the resolver's to decide.
      maxAttempts: 1,
      requestHandler,
    });
  }

  /** The current version, text or bytes; undefined when the reply holds neither. Rejects with the SDK’s own errors. */
  async read(secretId: string, abortSignal: AbortSignal): Promise<string | Uint8Array | undefined> {
    const command = new GetSecretValueCommand({ SecretId: secretId });
    const { SecretString, SecretBinary } = await this.#client.send(command, { abortSignal });
    return SecretString ?? SecretBinary;
  }

  close(): void {
    this.#client.destroy();
  }
}
