/** Ends waits early: `signal` is of whoever waits now, and the next one gets another. */
export class Wake {
  #controller = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  now(): void {
    this.#controller.abort();
    this.#controller = new AbortController();
  }
}
