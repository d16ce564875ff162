import { Peer, type Answer, type Asked } from './peer.ts';

/** As the SDK finds them in the environment. */
export const awsCredentials = {
  AWS_ACCESS_KEY_ID: 'AKIATESTTESTTESTTEST',
  AWS_SECRET_ACCESS_KEY: 'test-secret-access-key',
};

/** As AWS Secrets Manager's API is documented: JSON 1.1, requests signed by version 4. */
export class AwsPeer implements AsyncDisposable {
  readonly #secrets = new Map<string, string>();
  readonly #forbidden = new Set<string>();
  peer!: Peer;

  static async start(): Promise<AwsPeer> {
    const aws = new AwsPeer();
    aws.peer = await Peer.start((asked) => aws.#answer(asked));
    return aws;
  }

  put(id: string, value: string): void {
    this.#secrets.set(id, value);
  }

  delete(id: string): void {
    this.#secrets.delete(id);
  }

  forbid(id: string): void {
    this.#forbidden.add(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.stop();
  }

  #answer({ method, headers, body }: Asked): Answer {
    const target = headers['x-amz-target'];
    if (method !== 'POST' || target !== 'secretsmanager.GetSecretValue')
      return fault(400, 'UnknownOperationException');
    const signed = new RegExp(
      `^AWS4-HMAC-SHA256 Credential=${awsCredentials.AWS_ACCESS_KEY_ID}/\\d{8}/eu-central-1/secretsmanager/aws4_request, .*Signature=[0-9a-f]{64}$`,
    );
    if (!signed.test(headers.authorization ?? '')) return fault(400, 'UnrecognizedClientException');
    const id = String(JSON.parse(body).SecretId);
    if (this.#forbidden.has(id)) return fault(400, 'AccessDeniedException');
    const value = this.#secrets.get(id);
    if (value === undefined) return fault(400, 'ResourceNotFoundException');
    return { status: 200, json: { Name: id, VersionId: 'v1', SecretString: value } };
  }
}

function fault(status: number, type: string): Answer {
  return { status, json: { __type: type, Message: 'no' } };
}
