import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { KeystoreError, type StoreKind } from './keystore-error.ts';
import { MAX_STORE_BYTES, tooLarge } from './keystore-format.ts';

type StoreFileOptions<Store> = {
  path: string;
  kind: StoreKind;
  /** `readKeystore` or `readTruststore`, with the password as it is at that time. */
  read: (bytes: Uint8Array) => Promise<Store>;
};

/** What a refresh found: nothing new, a new store, or a file that is not taken, which is told once. */
export type Refreshed = 'same' | 'replaced' | KeystoreError;

/**
 * A keystore or truststore and the file that it came from. A file that is not taken leaves the store as it is.
 *
 * The program calls `refresh` every few seconds, by its own clock. The content is compared, not the times of
 * the file: it is small, and in-place writes, renames and swapped symbolic links, as those of Kubernetes, are
 * all seen alike. A file that was refused is read again each time, as its password may follow it.
 */
export class StoreFile<Store> {
  readonly #options: StoreFileOptions<Store>;
  #store: Store | undefined;
  #digest = '';
  /** The refusal that was told last, and of which content. */
  #told = '';
  #refusal: KeystoreError | undefined;
  #refreshing: Promise<Refreshed> | undefined;

  private constructor(options: StoreFileOptions<Store>) {
    this.#options = options;
  }

  /** Looks at the file for the first time; `refusal` says why there is no store then. */
  static async open<Store>(options: StoreFileOptions<Store>): Promise<StoreFile<Store>> {
    const file = new StoreFile(options);
    await file.refresh();
    return file;
  }

  /** Undefined until the file is taken. */
  get store(): Store | undefined {
    return this.#store;
  }

  /** Why the file, as the last look found it, is not taken; undefined while the store is what it holds. */
  get refusal(): KeystoreError | undefined {
    return this.#refusal;
  }

  /** Looks at the file again; one look at a time, whoever asks. */
  refresh(): Promise<Refreshed> {
    this.#refreshing ??= this.#look().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #look(): Promise<Refreshed> {
    let digest = '';
    try {
      const bytes = await bytesOf(this.#options);
      digest = digestOf(bytes);
      if (digest !== this.#digest) this.#store = await this.#options.read(bytes);
    } catch (error) {
      if (!(error instanceof KeystoreError)) throw error;
      this.#refusal = error;
      const told = this.#told;
      this.#told = `${error.code} ${digest}`;
      return told === this.#told ? 'same' : error;
    }
    this.#told = '';
    this.#refusal = undefined;
    if (digest === this.#digest) return 'same';
    this.#digest = digest;
    return 'replaced';
  }
}

async function bytesOf({ path, kind }: StoreFileOptions<unknown>): Promise<Buffer> {
  try {
    // Without O_NONBLOCK a pipe in place of the file would be waited for.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) throw unreadable(kind);
    if (stats.size > MAX_STORE_BYTES) throw tooLarge(kind);
    return await file.readFile();
  } catch (error) {
    throw error instanceof KeystoreError ? error : unreadable(kind, error);
  }
}

function unreadable(kind: StoreKind, cause?: unknown): KeystoreError {
  return new KeystoreError(
    'keystore.unreadable',
    kind,
    `The ${kind} cannot be read: see that its path names a file and that this program may read it.`,
    cause,
  );
}

function digestOf(bytes: Buffer): string {
  return hash('sha256', bytes);
}
