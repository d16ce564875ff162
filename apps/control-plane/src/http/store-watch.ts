import { WARN_DAYS } from '../certificates/index.ts';
import type { Platform } from '../platform/platform.ts';
import type { OwnStores } from '../trust/index.ts';

const LOOK_EVERY_MS = 5_000;
const DAY_MS = 24 * 60 * 60 * 1000;

type Looked = Pick<Platform, 'clock' | 'log'>;

type Watched = Pick<OwnStores, 'refresh' | 'ends' | 'misnamed'>;

/**
 * Looks at the files of the organisation's certificates, has those that changed presented, and warns before they end,
 * and of those that are for none of the hosts that clients use.
 */
export class StoreWatch {
  readonly #own: Watched;
  readonly #present: () => void;
  readonly #platform: Looked;
  readonly #timer: NodeJS.Timeout;
  /** What was told of each keystore last: the certificate's end, and how many days were left at most. */
  readonly #warned = new Map<string, string>();

  constructor(own: Watched, present: () => void, platform: Looked) {
    this.#own = own;
    this.#present = present;
    this.#platform = platform;
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
    this.#warnOfNames();
    this.#warnOfEnds();
  }

  async look(): Promise<void> {
    const { log } = this.#platform;
    try {
      const { replaced, problems } = await this.#own.refresh();
      for (const { code, text } of problems)
        log.error(
          { code, reason: text },
          'a file of certificates is not taken; what it held before still counts',
        );
      if (replaced) {
        this.#present();
        log.info('the certificates of keystores and truststores were read anew');
        this.#warnOfNames();
      }
      this.#warnOfEnds();
    } catch (error) {
      log.error({ err: error }, 'the files of certificates could not be looked at');
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Not refused: agents may be told of a name that is none of a host, with `controlPlane.name`. */
  #warnOfNames(): void {
    for (const [key, names] of this.#own.misnamed)
      this.#platform.log.warn(
        { key, names },
        'the certificate of a keystore is for none of publicHosts, and refused by whoever connects to one of them; have it issued for them, or set publicHosts to the hosts that clients use',
      );
  }

  /** Once each at 30, 14, 7 and 1 days before a certificate ends, and when it has: then nobody is let in by it. */
  #warnOfEnds(): void {
    const { clock, log } = this.#platform;
    for (const [key, at] of this.#own.ends) {
      const leftMs = at.getTime() - clock.now();
      const days = [0, ...WARN_DAYS].find((each) => leftMs <= each * DAY_MS);
      const told = `${at.getTime()} ${days}`;
      if (days === undefined || this.#warned.get(key) === told) continue;
      this.#warned.set(key, told);
      log.warn(
        { key, expiresAt: at.toISOString() },
        days === 0
          ? 'the certificate of a keystore has ended; put a new one in its place'
          : 'the certificate of a keystore ends soon; put a new one in its place',
      );
    }
  }
}
