import type { Platform } from '../platform/platform.ts';
import type { OwnStores } from '../trust/index.ts';

const LOOK_EVERY_MS = 5_000;

/** Looks at the files of the organisation's certificates, and has those that changed presented. */
export class StoreWatch {
  readonly #own: Pick<OwnStores, 'refresh'>;
  readonly #present: () => void;
  readonly #log: Platform['log'];
  readonly #timer: NodeJS.Timeout;

  constructor(own: Pick<OwnStores, 'refresh'>, present: () => void, log: Platform['log']) {
    this.#own = own;
    this.#present = present;
    this.#log = log;
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  async look(): Promise<void> {
    try {
      const { replaced, problems } = await this.#own.refresh();
      for (const { code, text } of problems)
        this.#log.error(
          { code, reason: text },
          'a file of certificates is not taken; what it held before still counts',
        );
      if (!replaced) return;
      this.#present();
      this.#log.info('the certificates of the listeners were read anew');
    } catch (error) {
      this.#log.error({ err: error }, 'the files of certificates could not be looked at');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
