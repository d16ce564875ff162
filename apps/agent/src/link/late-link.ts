import type { HttpsLink } from '@sallyport/tls/https-link';
import { AgentError, sentenceOf } from '../agent-error.ts';
import { keepFresh } from '../files/keep-fresh.ts';
import { problemOf, UnusableFiles } from '../files/stores.ts';
import type { Log } from '../log.ts';
import type { Link } from './call.ts';

/** A link whose trust changes while the agent runs; one that listens has files of its own. */
export type ReplaceableLink = Link & Pick<HttpsLink, 'replace'> & { problems?: () => string[] };

type LateParts = {
  /** Makes the link by what its files hold now. */
  make: () => Promise<ReplaceableLink>;
  /** Told when it is there. */
  onMade: () => void;
  log: Log;
};

/**
 * A link that is not there yet: a file that it needs cannot be used, and is looked at again. Until it can, requests are
 * refused with what is wrong, and nobody is dialled or heard.
 */
export class LateLink implements ReplaceableLink {
  readonly #parts: LateParts;
  readonly #looking: NodeJS.Timeout;
  #problem: AgentError;
  #made: ReplaceableLink | undefined;
  #trust: Parameters<HttpsLink['replace']>[0] | undefined;
  #isClosed = false;

  private constructor(problem: AgentError, parts: LateParts) {
    this.#parts = parts;
    this.#problem = problem;
    this.#tell();
    this.#looking = keepFresh(() => this.#look(), parts.log);
  }

  /** The link itself, where its files can be used, and else a late one. @throws what `make` does for anything but files */
  static async open(parts: LateParts): Promise<ReplaceableLink> {
    try {
      return await parts.make();
    } catch (error) {
      const isOfFiles = error instanceof AgentError && error.code === 'link.files_refused';
      if (error instanceof UnusableFiles || isOfFiles) return new LateLink(error, parts);
      throw error;
    }
  }

  /** @throws AgentError `link.files_refused` while it is not there */
  async request(...request: Parameters<Link['request']>): ReturnType<Link['request']> {
    if (this.#made !== undefined) return this.#made.request(...request);
    throw new AgentError('link.files_refused', sentenceOf(this.#problem), { retryable: true });
  }

  tlsParameters(): ReturnType<Link['tlsParameters']> {
    return this.#made?.tlsParameters();
  }

  problems(): string[] {
    if (this.#made !== undefined) return this.#made.problems?.() ?? [];
    return [problemOf(sentenceOf(this.#problem), false)];
  }

  /** One that is made later trusts what counts by then, also of what came while it was being made. */
  replace(trust: Parameters<HttpsLink['replace']>[0]): void {
    this.#trust = trust;
    this.#made?.replace(trust);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#looking);
    this.#made?.close();
  }

  async #look(): Promise<void> {
    try {
      const made = await this.#parts.make();
      // The agent may have ended meanwhile.
      if (this.#isClosed) return made.close();
      clearInterval(this.#looking);
      if (this.#trust !== undefined) made.replace(this.#trust);
      this.#made = made;
      this.#parts.onMade();
    } catch (error) {
      // By now its address may be taken, too.
      if (!(error instanceof AgentError)) throw error;
      const { message } = this.#problem;
      this.#problem = error;
      if (error.message !== message) this.#tell();
    }
  }

  #tell(): void {
    const detail = sentenceOf(this.#problem);
    this.#parts.log.error(
      { code: 'link.files_refused', detail },
      'there is no link to the control plane until a file is good, which is looked at again',
    );
  }
}
