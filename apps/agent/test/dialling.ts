import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { dialAgent, diallingContext } from '@sallyport/tls/dial-agent';
import { CONTROL_PLANE_NAME } from '@sallyport/tls/peer-certificate';
import { defaultTlsPolicy } from '@sallyport/tls/policy';
import { Issuer, type IssuedLeaf } from '@sallyport/tls/test/issuer';
import type { ControlPlaneDouble } from './control-plane-double.ts';

const CONNECTIONS = 3;
const AGAIN_MS = 20;

/** The CA of the control planes that dial, and the certificate of the right one. */
export const dialAuthority = await Issuer.root('CN=CA of the control plane');
const controlPlaneLeaf = await dialAuthority.leaf({
  names: [{ type: 'url', value: CONTROL_PLANE_NAME }],
  usages: ['clientAuth'],
});

type DialOptions = {
  port: number;
  leaf?: IssuedLeaf;
  /** Of the agent's certificate. */
  fingerprint?: string;
  /** PEM of the CAs of agents. */
  ca?: string[];
};

/** Dials an agent for the double, over and over, and keeps a few connections open. */
export class Dialler implements AsyncDisposable {
  readonly errors: string[] = [];
  readonly open = new Set<TLSSocket>();
  readonly #double: ControlPlaneDouble;
  readonly #options: DialOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(double: ControlPlaneDouble, options: DialOptions) {
    this.#double = double;
    this.#options = options;
    this.#running = Promise.all(Array.from({ length: CONNECTIONS }, () => this.#keepOne()));
  }

  /** Ends the connections; others take their place. */
  cut(): void {
    for (const socket of this.open) socket.destroy();
  }

  async #keepOne(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#one(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Error) || !('code' in error)) throw error;
        this.errors.push(String(error.code));
      }
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #one(signal: AbortSignal): Promise<void> {
    const { port, leaf = controlPlaneLeaf, fingerprint, ca = [] } = this.#options;
    // The CA goes with it, as the control plane's own does, so that it can be known by its fingerprint.
    const cert = leaf.chain + dialAuthority.rootPem;
    const socket = await dialAgent({
      host: '127.0.0.1',
      port,
      secureContext: diallingContext({ cert, key: leaf.key, ca }, defaultTlsPolicy),
      fingerprint,
      timeoutMs: 5_000,
      signal,
    });
    this.open.add(socket);
    socket.once('readable', () => {
      const { server } = this.#double;
      if (server === undefined) socket.destroy();
      else server.emit('secureConnection', socket);
    });
    await new Promise((ended) => socket.once('close', ended));
    this.open.delete(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.cut();
    await this.#running;
  }
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
