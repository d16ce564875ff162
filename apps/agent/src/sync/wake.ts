/** Ends waits early: `now` aborts the `signal` of whoever waits, and the next to wait gets another. */
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
