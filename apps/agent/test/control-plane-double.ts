import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { text } from 'node:stream/consumers';
import type { SecureContextOptions } from 'node:tls';
import {
  pullBody,
  reportEventsBody,
  type Bundle,
  type ClaimedTask,
  type PullBody,
  type PullReply,
  type ReportEventsBody,
} from '@sallyport/contract';
import { sealDeliveryKey } from '@sallyport/crypto/delivery-key';
import { generateSigningJwk, importSigningKey } from '@sallyport/crypto/signing-key';
import { certificateFingerprint } from '@sallyport/tls/pin';
import { makeAuthority, type Authority, type ServerIdentity } from '@sallyport/tls/test/authority';
import { DoubleAuthority, Refusal, type DoubleAgent } from './double/authority.ts';
import { FaultQueue, type Fault } from './double/faults.ts';
import { DoubleGroup } from './double/group.ts';
import { hangUpOn } from './double/hang-up.ts';
import { DoubleLending } from './double/lending.ts';
import { WaitingPulls } from './double/waiting-pulls.ts';

/** One request as it came. */
export type Received = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

const INLINE_BYTES = 64 * 1024;

/**
 * The agent API over real TLS, with real tokens, proofs and bundles, and state that lives as long as the
 * object: `stop` and `start` are an outage. It records all it receives, and takes faults to commit.
 */
export class ControlPlaneDouble {
  readonly group: DoubleGroup;
  readonly authority: DoubleAuthority;
  readonly lending = new DoubleLending();
  readonly ca: string;
  readonly tlsAuthority: Authority;
  readonly received: Received[] = [];
  /** What agents told of what they did, batch by batch, also of batches that came twice. */
  readonly reports: ReportEventsBody[] = [];
  /** The version of every handshake that succeeded, as Node names it. */
  readonly handshakes: (string | null)[] = [];
  /** Changes a bundle on its way out. */
  tamper: (bundle: Bundle) => Bundle = (bundle) => bundle;
  /** Its clock minus this host's, in milliseconds. */
  clockOffsetMs = 0;
  /** What it may negotiate from the next `start` on, other than by Node's defaults. */
  tls: SecureContextOptions = {};
  /** Most milliseconds that a pull is held back. */
  longestWaitMs = 55_000;
  /** `cp.invalid` is for a proxy to resolve. */
  host = '127.0.0.1';
  readonly #faults = new FaultQueue();
  readonly #tasks = new Map<string, ClaimedTask[]>();
  readonly #waiting = new WaitingPulls();
  readonly identity: ServerIdentity;
  server: Server | undefined;
  #hangUp = async (): Promise<void> => {};
  #port = 0;

  private constructor(
    group: DoubleGroup,
    authority: (now: () => number) => DoubleAuthority,
    tlsAuthority: Authority,
    identity: ServerIdentity,
  ) {
    this.group = group;
    group.onChange = () => this.#wake();
    this.authority = authority(() => Date.now() + this.clockOffsetMs);
    this.tlsAuthority = tlsAuthority;
    this.ca = tlsAuthority.ca;
    this.identity = identity;
  }

  static async start(): Promise<ControlPlaneDouble> {
    const signer = importSigningKey(await generateSigningJwk());
    const tls = await makeAuthority();
    const group = await DoubleGroup.create();
    const double = new ControlPlaneDouble(
      group,
      (now) => new DoubleAuthority(signer, now),
      tls,
      await tls.issue({ dns: ['cp.invalid'] }),
    );
    await double.start();
    return double;
  }

  get url(): string {
    return `https://${this.host}:${this.#port}`;
  }

  get fingerprint(): string {
    return certificateFingerprint(this.ca);
  }

  /** Listens again, where it listened before. */
  async start(): Promise<void> {
    const options = { ...this.identity, ...this.tls };
    const server = createServer(options, (...exchange) => void this.#handle(...exchange));
    server.on('tlsClientError', () => {});
    server.on('secureConnection', (socket) => this.handshakes.push(socket.getProtocol()));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    this.server = server;
    this.#hangUp = hangUpOn(server);
  }

  /** Hangs up on everybody and refuses connections. */
  async stop(): Promise<void> {
    const hangUp = this.server === undefined ? undefined : this.#hangUp;
    this.server = undefined;
    await hangUp?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Makes an enrollment token of the group. */
  mintToken(uses = 1): string {
    return this.authority.mintToken(this.group, uses);
  }

  putSecret(name: string, value: string, offline: 'allow' | 'deny' = 'allow'): void {
    this.group.putSecret(name, value, offline);
  }

  putReference(name: string, uri: string): void {
    this.group.putReference(name, uri);
  }

  putPlugin(name: string, config: Record<string, unknown>): void {
    this.group.putPlugin(name, config);
  }

  putCertificate(...given: Parameters<DoubleGroup['putCertificate']>): void {
    this.group.putCertificate(...given);
  }

  deleteSecret(name: string): void {
    this.group.deleteSecret(name);
  }

  /** Revokes an agent, answers its waiting pull, and starts a new epoch for the rest. */
  revoke(agentId: string): void {
    const agent = this.authority.agents.get(agentId);
    if (agent !== undefined) agent.isRevoked = true;
    this.#waiting.answerOf(agent, new Refusal(401, 'agent.revoked'));
    this.group.startEpoch();
  }

  /** Ends a lease, and has whoever waits name what it holds. */
  endLease(id: string): void {
    this.lending.end(id);
    this.#waiting.answerAll('leases');
  }

  giveTask(agentId: string, lockSeconds = 30): ClaimedTask {
    const task: ClaimedTask = {
      id: randomUUID(),
      kind: 'diagnose',
      lock: randomUUID(),
      lockSeconds,
      attempt: 1,
    };
    this.#tasks.set(agentId, [...(this.#tasks.get(agentId) ?? []), task]);
    this.#wake();
    return task;
  }

  /** Queues a fault for the next request whose path starts with `path`; faults are committed in order. */
  failNext(path: string, ...faults: Fault[]): void {
    this.#faults.add(path, faults);
  }

  requestsTo(path: string): Received[] {
    return this.received.filter((request) => request.path.startsWith(path));
  }

  /** What the newest pull named. */
  lastPull(): PullBody | undefined {
    const last = this.requestsTo('/agent/v1/pull').at(-1);
    return last && pullBody.parse(JSON.parse(last.body));
  }

  get waitingPulls(): number {
    return this.#waiting.size;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    try {
      const body = await text(request);
      this.received.push({ method, path, headers, body });
      const fault = this.#faults.next(path);
      if (fault === 'hang up') return void request.socket.destroy();
      if (fault === 'talk nonsense') return void request.socket.end('no HTTP\r\n\r\n');
      if (fault instanceof Refusal) throw fault;
      if (typeof fault === 'object')
        return void response.writeHead(fault.status, fault.headers).end();
      const reply = await this.#route(request, body, response);
      if (fault === 'lose reply') request.socket.destroy();
      else this.#send(response, reply === undefined ? 204 : 200, reply);
    } catch (error) {
      const { status, code, message } =
        error instanceof Refusal ? error : new Refusal(500, 'server.internal');
      const document = { type: 'about:blank', title: code, status, code, detail: message };
      this.#send(response, status, { ...document, requestId: randomUUID() });
    }
  }

  async #route(
    request: IncomingMessage,
    body: string,
    response: ServerResponse,
  ): Promise<object | undefined> {
    const path = request.url ?? '';
    if (path === '/agent/v1/enroll') return this.authority.enroll(JSON.parse(body), this.ca);
    const url = `https://${request.headers.host}${path}`;
    if (path === '/agent/v1/session')
      return this.authority.openSession(JSON.parse(body), request.headers, url);
    const agent = await this.authority.authenticate(request, url);
    if (path === '/agent/v1/session/renew') return this.authority.renewSession(agent);
    if (path === '/agent/v1/pull')
      return this.#pull(agent, pullBody.parse(JSON.parse(body)), response);
    if (path.endsWith('/bundle')) return this.tamper(await agent.group.bundle());
    if (path.startsWith('/agent/v1/leases')) return this.lending.answer(agent, path, body);
    if (path === '/agent/v1/events') {
      this.reports.push(reportEventsBody.parse(JSON.parse(body)));
      return undefined;
    }
    if (path.startsWith('/agent/v1/tasks/')) return undefined;
    throw new Refusal(404, 'request.not_found');
  }

  async #pull(
    agent: DoubleAgent,
    pull: PullBody,
    response: ServerResponse,
  ): Promise<object | undefined> {
    const { group } = agent;
    if (pull.revision > group.revision) throw new Refusal(409, 'revision.ahead');
    const tasks = (this.#tasks.get(agent.id) ?? []).splice(0, pull.taskCapacity);
    const behind = pull.revision < group.revision || pull.epoch !== group.delivery.epoch;
    const endedLeases = this.lending.endedAmong(pull.leases);
    if (behind || tasks.length > 0 || endedLeases.length > 0)
      return this.#reply(agent, pull, { behind, tasks, endedLeases });
    if (pull.waitSeconds === 0) return undefined;
    const outcome = await this.#waiting.wait(
      agent,
      Math.min(pull.waitSeconds * 1000, this.longestWaitMs),
      response,
    );
    if (outcome instanceof Refusal) throw outcome;
    if (outcome === 'leases')
      return this.#reply(agent, pull, { behind: false, tasks: [], endedLeases: [] });
    return outcome === 'changed' ? this.#pull(agent, pull, response) : undefined;
  }

  async #reply(
    agent: DoubleAgent,
    pull: PullBody,
    { behind, ...content }: { behind: boolean } & Pick<PullReply, 'tasks' | 'endedLeases'>,
  ): Promise<PullReply> {
    const { revision, delivery } = agent.group;
    const bundle = this.tamper(await agent.group.bundle());
    const carried =
      bundle.durable.length > INLINE_BYTES
        ? { bundleAt: `/agent/v1/revisions/${revision}/bundle` }
        : { bundle };
    return {
      revision,
      epoch: delivery.epoch,
      ...(behind ? carried : {}),
      ...(pull.epoch === delivery.epoch
        ? {}
        : { deliveryKey: await sealDeliveryKey(delivery, agent.encryptionKey) }),
      ...content,
      next: { afterMilliseconds: 0 },
    };
  }

  #wake(): void {
    this.#waiting.answerAll('changed');
  }

  #send(response: ServerResponse, status: number, body: object | undefined): void {
    response.setHeader('date', new Date(Date.now() + this.clockOffsetMs).toUTCString());
    response.writeHead(status, body === undefined ? {} : { 'content-type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }
}
