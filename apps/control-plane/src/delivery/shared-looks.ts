/**
 * Looks at things, one look at each at a time. Who asks while one is under way, which may have read before what
 * it is asked for, shares the next with all others who do.
 */
export class SharedLooks<Seen> {
  readonly #look: (key: string) => Promise<Seen>;
  readonly #looking = new Map<string, Promise<Seen>>();

  constructor(look: (key: string) => Promise<Seen>) {
    this.#look = look;
  }

  /** What a look sees that begins after the call. */
  async after(key: string): Promise<Seen> {
    const underWay = this.#looking.get(key);
    if (underWay !== undefined) await underWay.catch(() => undefined);
    const shared = this.#looking.get(key);
    if (shared !== undefined) return shared;
    const look = this.#look(key).finally(() => this.#looking.delete(key));
    this.#looking.set(key, look);
    return look;
  }
}
