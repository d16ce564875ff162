import type { AddressInfo } from 'node:net';
import {
  CERTIFICATE_GRANT,
  certificateReply,
  enrollReply,
  PROTOCOL,
  sessionReply,
} from '@sallyport/contract';
import { createCertificateRequest } from '@sallyport/tls/certificate-request';
import { HttpsLink } from '@sallyport/tls/https-link';
import type { ClientIdentity } from '@sallyport/tls/secure-context';
import { AgentClient } from './agent-client.ts';
import type { TestControlPlane } from './control-plane.ts';
import { field, type OperatorClient, type Reply } from './operator-client.ts';

/** An agent with a client certificate, over real connections. */
export class CertifiedAgent {
  readonly client: AgentClient;
  readonly #controlPlane: TestControlPlane;
  #link: HttpsLink | undefined;
  identity: ClientIdentity | undefined;
  accessToken: string | undefined;

  constructor(client: AgentClient, controlPlane: TestControlPlane) {
    this.client = client;
    this.#controlPlane = controlPlane;
  }

  /** Enrols one with a certificate. The agent API must listen. */
  static async enrolled(
    owner: OperatorClient,
    group: string,
    controlPlane: TestControlPlane,
  ): Promise<CertifiedAgent> {
    await owner.call('POST', '/groups', { name: group });
    const token = await owner.call('POST', `/groups/${group}/enrollment-tokens`, {});
    const client = await AgentClient.create(controlPlane.agentApp, controlPlane.clock);
    const { csr, key } = await createCertificateRequest();
    const reply = await client.enroll(field(token.body, 'token'), { csr });
    const agent = new CertifiedAgent(client, controlPlane);
    const { certificate } = enrollReply.parse(reply.body);
    agent.use(certificate === undefined ? undefined : { cert: certificate, key });
    return agent;
  }

  /** Shows this certificate from now on, or none. */
  use(identity: ClientIdentity | undefined): void {
    this.identity = identity;
    this.#link?.close();
    const { port } = addressOf(this.#controlPlane);
    const ca = this.#controlPlane.caCertificate;
    this.#link = new HttpsLink({ baseUrl: `https://localhost:${port}`, ca, identity });
  }

  async send(path: string, json?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const method = json === undefined ? 'GET' : 'POST';
    const reply = await this.#link?.request(method, `/agent/v1${path}`, { json, headers });
    if (reply === undefined) throw new Error('the agent has no link');
    const text = reply.body.toString('utf8');
    const { status } = reply;
    return { status, text, body: text === '' ? undefined : JSON.parse(text), headers: {} };
  }

  async openSession(): Promise<Reply> {
    const reply = await this.send('/session', { protocol: PROTOCOL, grantType: CERTIFICATE_GRANT });
    if (reply.status === 200) this.accessToken = sessionReply.parse(reply.body).accessToken;
    return reply;
  }

  get bearer(): Record<string, string> {
    return { authorization: `Bearer ${this.accessToken ?? ''}` };
  }

  async pull(): Promise<Reply> {
    const pull = { revision: 0, epoch: 0, status: 'ready', waitSeconds: 0, taskCapacity: 0 };
    return this.send('/pull', { protocol: PROTOCOL, ...pull }, this.bearer);
  }

  /** Asks for another certificate within its session; it is not used yet. */
  async renew(): Promise<ClientIdentity> {
    const { csr, key } = await createCertificateRequest();
    const reply = await this.send('/certificate', { protocol: PROTOCOL, csr }, this.bearer);
    return { cert: certificateReply.parse(reply.body).certificate, key };
  }

  close(): void {
    this.#link?.close();
  }
}

function addressOf({ agentApp }: TestControlPlane): AddressInfo {
  const address = agentApp.server.address();
  if (address === null || typeof address === 'string') throw new Error('nothing listens');
  return address;
}
