import { randomUUID, type KeyObject } from 'node:crypto';
import {
  AGENT_TOKEN_GRANT,
  ASSERTION_GRANT,
  enrollReply,
  PROTOCOL,
  pullReply,
  sessionReply,
  takenLease,
  type AgentEvent,
  type BundleEntry,
  type EnrollReply,
  type Generation,
  type PullReply,
  type TakeLeaseBody,
} from '@sallyport/contract';
import { signAssertion, signEnrollmentProof } from '@sallyport/crypto/assertion';
import { openBundlePart } from '@sallyport/crypto/bundle';
import type { BundlePayload } from '@sallyport/crypto/bundle-payload';
import { openDeliveryKey, type DeliveryKey } from '@sallyport/crypto/delivery-key';
import { signDpopProof } from '@sallyport/crypto/dpop';
import {
  generateEncryptionJwk,
  importEncryptionKey,
  type EncryptionKey,
} from '@sallyport/crypto/encryption-key';
import { openLeaseValue } from '@sallyport/crypto/lease-value';
import {
  generateSigningJwk,
  importSigningKey,
  importVerificationKey,
  type SigningKey,
} from '@sallyport/crypto/signing-key';
import type { FastifyInstance } from 'fastify';
import type { Reply } from './operator-client.ts';

const HOST = 'control-plane.test:9443';
const facts = { agentVersion: '0.1.0', platform: 'linux', architecture: 'x64', runtime: 'test' };

type Clock = { now(): number };

/** Speaks the agent API in-process, with real keys and proofs. */
export class AgentClient {
  readonly #app: FastifyInstance;
  readonly #clock: Clock;
  readonly signing: SigningKey;
  readonly encryption: EncryptionKey;
  enrolled: EnrollReply | undefined;
  accessToken: string | undefined;
  revision = 0;
  epoch = 0;
  delivery: DeliveryKey | undefined;
  /** What its pulls name of leases; undefined: it knows of none. */
  leases: string[] | undefined;
  leasesForgotten: boolean | undefined;

  private constructor(
    app: FastifyInstance,
    clock: Clock,
    keys: { signing: SigningKey; encryption: EncryptionKey },
  ) {
    this.#app = app;
    this.#clock = clock;
    this.signing = keys.signing;
    this.encryption = keys.encryption;
  }

  static async create(app: FastifyInstance, clock: Clock): Promise<AgentClient> {
    const signing = importSigningKey(await generateSigningJwk());
    return new AgentClient(app, clock, {
      signing,
      encryption: await importEncryptionKey(await generateEncryptionJwk()),
    });
  }

  /** The same with another key, before it enrols. */
  with(keys: { encryption: EncryptionKey }): AgentClient {
    return new AgentClient(this.#app, this.#clock, { signing: this.signing, ...keys });
  }

  /** The same with its session, at another replica. */
  through(app: FastifyInstance): AgentClient {
    const { signing, encryption, enrolled, accessToken } = this;
    const same = new AgentClient(app, this.#clock, { signing, encryption });
    return Object.assign(same, { enrolled, accessToken });
  }

  /** Enrols with a token; `change` alters the body on its way. */
  async enroll(
    token: string,
    change: Record<string, unknown> = {},
    remoteAddress = '127.0.0.1',
  ): Promise<Reply> {
    const proof = await signEnrollmentProof(
      this.signing,
      token,
      this.encryption.publicJwk,
      this.#clock.now(),
    );
    const keys = { signingKey: this.signing.publicJwk, encryptionKey: this.encryption.publicJwk };
    const reply = await this.#send(
      'POST',
      '/enroll',
      { protocol: PROTOCOL, token, name: 'host-1', ...keys, proof, facts, ...change },
      {},
      remoteAddress,
    );
    if (reply.status === 201) this.enrolled = enrollReply.parse(reply.body);
    return reply;
  }

  get id(): string {
    return this.enrolled?.agentId ?? '';
  }

  async assertion(): Promise<string> {
    return signAssertion(this.signing, this.id, this.#clock.now());
  }

  /** Opens a session, with an assertion of its own unless one is given. */
  async openSession(
    assertion?: string,
    generation?: Generation,
    protocol = PROTOCOL,
  ): Promise<Reply> {
    const body = {
      protocol,
      grantType: ASSERTION_GRANT,
      assertion: assertion ?? (await this.assertion()),
      generation,
    };
    return this.#entered(await this.#send('POST', '/session', body));
  }

  /** Opens a session with an agent token, and a proof by its own key unless another is given. */
  async openSessionWith(token: string, headers?: Record<string, string>): Promise<Reply> {
    const body = { protocol: PROTOCOL, grantType: AGENT_TOKEN_GRANT, token };
    return this.#entered(
      await this.#send('POST', '/session', body, headers ?? { dpop: this.entryProof() }),
    );
  }

  /** A proof for a request that brings no access token. */
  entryProof(): string {
    const url = `https://${HOST}/agent/v1/session`;
    return signDpopProof(this.signing, { method: 'POST', url }, this.#clock.now());
  }

  async renewSession(): Promise<Reply> {
    return this.#entered(await this.call('POST', '/session/renew', { protocol: PROTOCOL }));
  }

  #entered(reply: Reply): Reply {
    if (reply.status === 200) this.accessToken = sessionReply.parse(reply.body).accessToken;
    return reply;
  }

  dpop(method: string, path: string): string {
    return signDpopProof(
      this.signing,
      { method, url: `https://${HOST}/agent/v1${path}`, accessToken: this.accessToken ?? '' },
      this.#clock.now(),
    );
  }

  /** A call within the session. */
  async call(
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const proof = {
      authorization: `DPoP ${this.accessToken ?? ''}`,
      dpop: this.dpop(method, path),
    };
    return this.#send(method, path, body, { ...proof, ...headers });
  }

  async pullRaw(waitSeconds = 0, taskCapacity = 0, protocol = PROTOCOL): Promise<Reply> {
    const { revision, epoch } = this;
    return this.call('POST', '/pull', {
      protocol,
      revision,
      epoch,
      status: 'ready',
      waitSeconds,
      taskCapacity,
      leases: this.leases,
      leasesForgotten: this.leasesForgotten,
    });
  }

  /** Pulls, and applies what came: opens the delivery key and moves to the new revision. */
  async pull(waitSeconds = 0, taskCapacity = 0): Promise<PullReply | undefined> {
    const reply = await this.pullRaw(waitSeconds, taskCapacity);
    if (reply.status === 204) return undefined;
    if (reply.status !== 200)
      throw new Error(`the pull was answered ${reply.status}: ${reply.text}`);
    const pulled = pullReply.parse(reply.body);
    const group = this.enrolled?.group.id ?? '';
    if (pulled.deliveryKey !== undefined)
      this.delivery = await openDeliveryKey(pulled.deliveryKey, this.encryption.privateKey, group);
    this.revision = pulled.revision;
    this.epoch = pulled.epoch;
    return pulled;
  }

  /** Tells of what it did, as one batch, under a new id unless one is given. */
  async report(events: Partial<AgentEvent>[], batch: string = randomUUID()): Promise<Reply> {
    const usual: AgentEvent = {
      at: new Date(this.#clock.now()).toISOString(),
      action: 'value:read',
      subject: 'secret:db/password',
      outcome: 'done',
      requestId: null,
      application: null,
      count: 1,
      code: null,
      version: null,
    };
    const told = events.map((event) => ({ ...usual, ...event }));
    const group = this.enrolled?.group.id;
    return this.call('POST', '/events', { protocol: PROTOCOL, batch, group, events: told });
  }

  /** Asks for a lease, under a new id unless one is given. */
  async takeLease(secret: string, more: Partial<TakeLeaseBody> = {}): Promise<Reply> {
    return this.call('POST', '/leases', {
      protocol: PROTOCOL,
      id: randomUUID(),
      secret,
      application: { listener: '/run/agent.sock', pid: 42, uid: 1000, gid: 1000 },
      requestId: 'request-of-the-program',
      ...more,
    });
  }

  /** The value that a lease's reply brings. */
  async lent({ body }: Reply, id: string): Promise<string> {
    const { value } = takenLease.parse(body);
    return Buffer.from(await openLeaseValue(value, this.encryption.privateKey, id)).toString();
  }

  /** The values of a reply's bundle by name, verified as the agent verifies them. */
  async open(pulled: PullReply | undefined): Promise<Record<string, string>> {
    return Object.fromEntries(
      this.#parts(pulled).flatMap(({ manifest, values }) =>
        manifest.entries.map(({ name }, at) => [name, Buffer.from(values[at] ?? []).toString()]),
      ),
    );
  }

  /** What a reply's bundle says of its values. */
  entries(pulled: PullReply | undefined): BundleEntry[] {
    return this.#parts(pulled).flatMap(({ manifest }) => manifest.entries);
  }

  #parts(pulled: PullReply | undefined): BundlePayload[] {
    const { bundle } = pulled ?? {};
    if (bundle === undefined || this.delivery === undefined)
      throw new Error('there is no bundle to open');
    const keyring = new Map<string, KeyObject>();
    for (const { kid, ...jwk } of this.enrolled?.verificationKeys.keys ?? [])
      keyring.set(kid, importVerificationKey(jwk));
    const parts = [openBundlePart(bundle.durable, 'durable', this.delivery, keyring)];
    if (bundle.live !== undefined)
      parts.push(openBundlePart(bundle.live, 'live', this.delivery, keyring));
    return parts;
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    payload?: unknown,
    headers: Record<string, string> = {},
    remoteAddress = '127.0.0.1',
  ): Promise<Reply> {
    const reply = await this.#app.inject({
      method,
      url: `/agent/v1${path}`,
      headers: {
        host: HOST,
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      remoteAddress,
      ...(payload === undefined ? {} : { payload: JSON.stringify(payload) }),
    });
    const isJson = String(reply.headers['content-type'] ?? '').includes('json');
    const body: unknown = isJson && reply.payload !== '' ? JSON.parse(reply.payload) : undefined;
    return { status: reply.statusCode, headers: { ...reply.headers }, body, text: reply.payload };
  }
}
