import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { createServer, type TLSSocket } from 'node:tls';
import { link, type Link } from '@sallyport/contract';
import { AcceptedConnections, type AcceptOptions } from '@sallyport/tls/accepted-connections';
import { certificateFingerprint } from '@sallyport/tls/fingerprint';
import { HttpsLink, type LinkError } from '@sallyport/tls/https-link';
import { CONTROL_PLANE_NAME } from '@sallyport/tls/peer-certificate';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { makeSelfSigned } from '@sallyport/tls/self-signed';
import type { AgentClient } from '../agent-client.ts';
import type { TestControlPlane } from '../control-plane.ts';
import type { OperatorClient } from '../operator-client.ts';

/** The certificate that an agent makes for itself. */
const selfMade = await makeSelfSigned(['127.0.0.1', 'localhost'], Date.now());
export const selfMadePin = certificateFingerprint(selfMade.cert);

/** An agent that listens, on a port of its own or on the given one. */
export class ListeningAgent implements AsyncDisposable {
  readonly accepted: AcceptedConnections;
  readonly refused: LinkError[] = [];
  readonly #link: HttpsLink;

  private constructor(accepted: AcceptedConnections, baseUrl: string) {
    this.accepted = accepted;
    this.#link = new HttpsLink({ baseUrl, accepted: accepted.agent });
  }

  static async start(
    ca: string,
    options: Partial<Pick<AcceptOptions, 'port' | 'identity' | 'controlPlaneName'>> = {},
  ): Promise<ListeningAgent> {
    const accepted = await AcceptedConnections.listen({
      host: '127.0.0.1',
      port: 0,
      identity: { ...selfMade, ca },
      controlPlaneName: CONTROL_PLANE_NAME,
      tls: defaultTlsPolicy,
      onRefused: (error) => agent.refused.push(error),
      ...options,
    });
    const agent = new ListeningAgent(accepted, 'https://control-plane.test:9443');
    return agent;
  }

  get address(): string {
    return `127.0.0.1:${this.accepted.port}`;
  }

  /** Whether it holds a connection that it has used. */
  get isConnected(): boolean {
    const { sockets, freeSockets } = this.accepted.agent;
    return [...Object.values(sockets), ...Object.values(freeSockets)].some(
      (open) => open !== undefined && open.length > 0,
    );
  }

  /** One request in an agent's name, over a connection that was dialled. */
  async ask(agent: AgentClient, path: string, json: unknown): Promise<number> {
    const headers = {
      authorization: `DPoP ${agent.accessToken ?? ''}`,
      dpop: agent.dpop('POST', path),
    };
    return (
      await this.#link.request('POST', `/agent/v1${path}`, { json, headers, timeoutMs: 60_000 })
    ).status;
  }

  pull(agent: AgentClient, waitSeconds = 0): Promise<number> {
    const { revision, epoch } = agent;
    const body = { protocol: 1, revision, epoch, status: 'ready', waitSeconds, taskCapacity: 0 };
    return this.ask(agent, '/pull', body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.close();
    this.accepted.close();
  }
}

/** A TLS server that looks at who dials it, and speaks no protocol of its own accord. */
export async function rawListener(
  ca: string,
  onSocket: (socket: TLSSocket) => void,
): Promise<AsyncDisposable & { address: string }> {
  const open = new Set<TLSSocket>();
  const server = createServer({ ...selfMade, ca, requestCert: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    address: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Asks for a link until it is as it should be. */
export async function untilLink(
  owner: OperatorClient,
  name: string,
  holds: (shown: Link) => boolean,
): Promise<Link> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const { body } = await owner.call('GET', `/groups/plant-7/links/${name}`);
    const shown = link.parse(body);
    if (holds(shown)) return shown;
    if (performance.now() > deadline) throw new Error(`the link is ${JSON.stringify(shown)}`);
    await pause(20);
  }
}

/** Starts to serve agents, which is when links are dialled. */
export async function serving(controlPlane: TestControlPlane): Promise<TestControlPlane> {
  await controlPlane.agentApp.listen({ host: '127.0.0.1', port: 0 });
  return controlPlane;
}
