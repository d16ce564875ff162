/**
 * Looks at things, one look at each at a time. A look that is under way may have read too early for whoever asks
 * meanwhile: all of them share the next one.
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
