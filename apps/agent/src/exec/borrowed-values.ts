import type { LocalClient } from '../cli/local-client.ts';
import { named, readTogether, type Together } from '../cli/read-together.ts';
import { lentReply } from '../local-api/replies.ts';
import type { Injection } from './injection.ts';

/** The values of a command: those that are delivered, and those that are lent out for as long as it runs. */
export class BorrowedValues implements AsyncDisposable {
  readonly #client: LocalClient;
  readonly #injections: readonly Injection[];
  /** The ids of leases, by the index of their injection. */
  readonly #lent = new Map<number, string>();

  constructor(client: LocalClient, injections: readonly Injection[]) {
    this.#client = client;
    this.#injections = injections;
  }

  /**
   * All of them, in order, asked for with `client`; each time with new leases, since the old ones may be over.
   *
   * @throws AgentError of `readTogether`, `lease.*`
   */
  async read(client = this.#client): Promise<Together> {
    const { revision, values } = await readTogether(this.#delivered, client);
    return { revision, values: await this.#withLent(values, client) };
  }

  /** As `read` when a delivered value differs from `given`; else undefined, and no lease is touched. */
  async readChanged(given: readonly string[]): Promise<readonly string[] | undefined> {
    const { values } = await readTogether(this.#delivered, this.#client);
    const before = given.filter((_, index) => this.#injections[index]?.source === 'secret');
    if (values.every((value, index) => value === before[index])) return undefined;
    return this.#withLent(values, this.#client);
  }

  get #delivered(): Injection[] {
    return this.#injections.filter(({ source }) => source === 'secret');
  }

  async #withLent(delivered: readonly string[], client: LocalClient): Promise<readonly string[]> {
    const others = delivered[Symbol.iterator]();
    const all: string[] = [];
    for (const [index, { source, secret }] of this.#injections.entries())
      all.push(
        source === 'secret' ? (others.next().value ?? '') : await this.#take(index, secret, client),
      );
    return all;
  }

  /** Gives back what was taken. A lease that is over already is no fault, nor is an agent that is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#lent.values()].map((id) => this.#giveBack(id)));
  }

  async #giveBack(id: string): Promise<void> {
    await this.#client.sendOnly('DELETE', `/v1/leases/${id}`).catch(() => {});
  }

  async #take(index: number, secret: string, client: LocalClient): Promise<string> {
    const before = this.#lent.get(index);
    if (before !== undefined) await this.#giveBack(before);
    const lent = await client
      .send('POST', '/v1/leases', lentReply, { secret })
      .catch((error: unknown) => {
        throw named(error, secret);
      });
    this.#lent.set(index, lent.id);
    return lent.value;
  }
}
