import type { LocalClient } from '../cli/local-client.ts';
import { named, readTogether, type Together } from '../cli/read-together.ts';
import { lentReply } from '../local-api/replies.ts';
import type { Injection } from './injection.ts';

/** The values of a command: those that are delivered, and those that are lent out for as long as it runs. */
export class BorrowedValues implements AsyncDisposable {
  readonly #client: LocalClient;
  readonly #injections: readonly Injection[];
  readonly #lent = new Map<number, { id: string; value: string }>();

  constructor(client: LocalClient, injections: readonly Injection[]) {
    this.#client = client;
    this.#injections = injections;
  }

  /** All of them, in order; leases are taken at the first time alone. @throws AgentError of `readTogether`, `lease.*` */
  async read(): Promise<Together> {
    const delivered = this.#injections.filter(({ source }) => source === 'secret');
    const { revision, values } = await readTogether(delivered, this.#client);
    const others = values[Symbol.iterator]();
    const all: string[] = [];
    for (const [index, { source, secret }] of this.#injections.entries())
      all.push(
        source === 'secret'
          ? (others.next().value ?? '')
          : (this.#lent.get(index) ?? (await this.#take(index, secret))).value,
      );
    return { revision, values: all };
  }

  /** Gives back what was taken; what is over by itself is no fault, nor is an agent that is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const given = [...this.#lent.values()].map(({ id }) =>
      this.#client.sendOnly('DELETE', `/v1/leases/${id}`).catch(() => {}),
    );
    await Promise.all(given);
  }

  async #take(index: number, secret: string): Promise<{ id: string; value: string }> {
    const lent = await this.#client
      .send('POST', '/v1/leases', lentReply, { secret })
      .catch((error: unknown) => {
        throw named(error, secret);
      });
    this.#lent.set(index, lent);
    return lent;
  }
}
