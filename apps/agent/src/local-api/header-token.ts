import { createHash, timingSafeEqual } from 'node:crypto';
import { AgentError, sentenceOf } from '../agent-error.ts';
import { readTokenFile, type TokenKind } from '../files/token-file.ts';

const programToken: TokenKind = {
  pattern: /^[\x21-\x7e]{32,512}$/,
  called: 'token of 32 to 512 printable characters without spaces',
  advice: 'make one with: openssl rand -hex 32; it is read again by itself',
  sharedInMemory: false,
};

/** The token that programs send over TCP, as its file held it when it was last good. */
export class HeaderToken {
  readonly #path: string;
  #digest: Buffer | undefined;
  #problem: string | undefined;

  /** Nothing matches it until `refresh` has found the file good. */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws AgentError `token_file.unusable`, `token_file.unsafe` */
  static async open(path: string): Promise<HeaderToken> {
    const token = new HeaderToken(path);
    const looked = await token.refresh();
    if (looked instanceof AgentError) throw looked;
    return token;
  }

  /** Whether the file was ever good. */
  get isTaken(): boolean {
    return this.#digest !== undefined;
  }

  /** What keeps the file from being taken, and the way out, as the last look found it. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Looks at the file again; one that cannot be used leaves the token that there was, and is told of once. */
  async refresh(): Promise<'replaced' | 'same' | AgentError> {
    try {
      const digest = digestOf(await readTokenFile(this.#path, programToken));
      const isSame = this.#digest !== undefined && timingSafeEqual(digest, this.#digest);
      this.#digest = digest;
      this.#problem = undefined;
      return isSame ? 'same' : 'replaced';
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      const sentence = sentenceOf(error);
      const isNew = this.#problem !== sentence;
      this.#problem = sentence;
      return isNew ? error : 'same';
    }
  }

  /** In a time that tells nothing of the token. */
  matches(given: string | string[] | undefined): boolean {
    if (typeof given !== 'string' || this.#digest === undefined) return false;
    return timingSafeEqual(digestOf(given), this.#digest);
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
