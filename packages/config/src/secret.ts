import { inspect } from 'node:util';
import { secretIn, textOfFile } from './protected-file.ts';

const redacted = '[redacted]';

/** A string that every way of printing shows as `[redacted]`. Only `reveal()` gives the value. */
export class Secret {
  readonly #value: string;
  readonly #file: string | undefined;

  /** `file` is the one that the value was read from. */
  constructor(value: string, file?: string) {
    this.#value = value;
    this.#file = file;
  }

  reveal(): string {
    return this.#value;
  }

  /** The value that its file holds by now; what it came with where there is no file, or none that can be read. */
  async current(): Promise<string> {
    const content = this.#file === undefined ? undefined : await textOfFile(this.#file);
    return content === undefined || 'refused' in content
      ? this.#value
      : secretIn(content.text) || this.#value;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [Symbol.toPrimitive](): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
