import { X509Certificate } from 'node:crypto';
import { KeystoreError, type StoreKind } from './keystore-error.ts';
import type { StoreType } from './keystore-format.ts';
import { readKeystore, type Keystore } from './keystore.ts';
import { hasUsage, type Usage } from './peer-certificate.ts';
import { type Refreshed, StoreFile } from './store-file.ts';
import { readTruststore } from './truststore.ts';

/** A block of `storeSettings`, as it was parsed. */
type StoreSetting = {
  file?: string | undefined;
  type: StoreType;
  /** `current`: as its file holds it by now, where it is in one. */
  password?: { current(): Promise<string> } | undefined;
};

export type StoresOptions = {
  /** Of the block that holds both, for messages. */
  key: string;
  keystore: StoreSetting;
  truststore: StoreSetting;
  /** What the certificate of the keystore must be good for. */
  usage: Usage;
  now: () => number;
};

/**
 * What is wrong with a file, beginning with the key of the setting to look at. `isHeld`: what it held before still
 * counts; else it was never taken.
 */
export type StoreProblem = { code: KeystoreError['code']; text: string; isHeld: boolean };

/** Files are not taken. The message has a line for each, which begins with the key of its setting. */
export class StoresError extends Error {
  constructor(problems: readonly StoreProblem[]) {
    super(problems.map(({ text }) => text).join('\n'));
    this.name = 'StoresError';
  }
}

const kinds = ['keystore', 'truststore'] as const satisfies StoreKind[];
type Files = {
  keystore: StoreFile<Keystore> | undefined;
  truststore: StoreFile<string[]> | undefined;
};

/** The keystore and the truststore that are set for one side of a link, as their files are now. */
export class LinkStores {
  readonly #key: string;
  readonly #files: Files;

  private constructor(key: string, files: Files) {
    this.#key = key;
    this.#files = files;
  }

  /** @throws StoresError with every file that is not taken */
  static async open(options: StoresOptions): Promise<LinkStores> {
    const stores = await LinkStores.follow(options);
    if (stores.problems.length > 0) throw new StoresError(stores.problems);
    return stores;
  }

  /** As `open`, for who can wait: a file that is not taken is there once `refresh` has taken it. */
  static async follow(options: StoresOptions): Promise<LinkStores> {
    const { key, usage, now } = options;
    const opened = async <Store>(
      kind: StoreKind,
      read: (bytes: Uint8Array, setting: StoreFileSetting) => Promise<Store>,
    ): Promise<StoreFile<Store> | undefined> => {
      const { file: path, type, password } = options[kind];
      if (path === undefined) return undefined;
      return StoreFile.open({
        path,
        kind,
        read: async (bytes) => read(bytes, { type, password: await password?.current() }),
      });
    };
    const keystore = await opened('keystore', async (bytes, setting) =>
      withUsage(await readKeystore(bytes, { ...setting, nowMs: now() }), usage),
    );
    const truststore = await opened('truststore', readTruststore);
    return new LinkStores(key, { keystore, truststore });
  }

  /** Whether a file is set, taken or not. */
  sets(kind: StoreKind): boolean {
    return this.#files[kind] !== undefined;
  }

  /** Whether every file that is set was taken, by now or before. */
  get areTaken(): boolean {
    return this.problems.every(({ isHeld }) => isHeld);
  }

  /** Undefined when none is set, or it was never taken. */
  get keystore(): Keystore | undefined {
    return this.#files.keystore?.store;
  }

  /** When the certificate of the keystore ends, by the key of its setting; none where there is no such file. */
  get ends(): [key: string, at: Date][] {
    return this.keystore === undefined
      ? []
      : [[`${this.#key}.keystore`, this.keystore.facts.notAfter]];
  }

  /** PEM each; undefined when none is set, or it was never taken. */
  get truststore(): readonly string[] | undefined {
    return this.#files.truststore?.store;
  }

  /** What keeps a file, as the last look found it, from being taken. */
  get problems(): StoreProblem[] {
    return kinds.flatMap((kind) => {
      const refusal = this.#files[kind]?.refusal;
      return refusal === undefined ? [] : [this.#problemOf(refusal, kind)];
    });
  }

  /** Looks at the files again. What is not taken is told once, and leaves what there was. */
  async refresh(): Promise<{ replaced: boolean; problems: StoreProblem[] }> {
    const found: [StoreKind, Refreshed | undefined][] = [
      ['keystore', await this.#files.keystore?.refresh()],
      ['truststore', await this.#files.truststore?.refresh()],
    ];
    return {
      replaced: found.some(([, outcome]) => outcome === 'replaced'),
      problems: found.flatMap(([kind, outcome]) =>
        outcome instanceof KeystoreError ? [this.#problemOf(outcome, kind)] : [],
      ),
    };
  }

  #problemOf({ code, field, message }: KeystoreError, kind: StoreKind): StoreProblem {
    const setting = field === 'password' ? 'password' : 'file';
    const text = `${this.#key}.${kind}.${setting}: ${message}`;
    return { code, text, isHeld: this.#files[kind]?.store !== undefined };
  }
}

type StoreFileSetting = { type: StoreType; password: string | undefined };

function withUsage(keystore: Keystore, usage: Usage): Keystore {
  if (hasUsage(new X509Certificate(keystore.chain), usage)) return keystore;
  throw new KeystoreError(
    'keystore.wrong_usage',
    'keystore',
    `The certificate of the keystore lacks the extended key usage ${usage}, without which the other side refuses it; have it issued with that.`,
  );
}
