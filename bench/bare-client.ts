import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './clock.ts';

/** The body of a pull: as many bytes as an agent sends. */
const POLL = JSON.stringify({
  protocol: 1,
  revision: 100,
  epoch: 1,
  status: 'ready',
  waitSeconds: 55,
  taskCapacity: 4,
});
const CONNECT_ATTEMPTS = 5;

/** One bare HTTPS client of the yardstick, on a connection of its own. */
export class BareClient {
  readonly #url: string;
  readonly #agent: Agent;

  constructor(url: string, ca: string) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, ca });
  }

  /** Polls for ever; `onReply` gets the time at which the last byte of each reply was read. */
  async poll(onReply: (atMs: number) => void): Promise<never> {
    for (let failures = 0; ;) {
      try {
        await this.post('/poll', POLL);
        onReply(monotonicMs());
      } catch (error) {
        // Many handshakes at once overflow the listen queue.
        if (++failures > CONNECT_ATTEMPTS) throw error;
        await sleep(200 * Math.random());
      }
    }
  }

  post(path: string, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(`${this.#url}${path}`, { method: 'POST', agent: this.#agent });
      sent.once('error', reject);
      sent.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        response.once('error', reject);
      });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
