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
  password?: { reveal(): string } | undefined;
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

/** What is wrong with a file, beginning with the key of the setting to look at. */
export type StoreProblem = { code: KeystoreError['code']; text: string };

/** Files are not taken. The message has a line for each, which begins with the key of its setting. */
export class StoresError extends Error {
  constructor(problems: readonly StoreProblem[]) {
    super(problems.map(({ text }) => text).join('\n'));
    this.name = 'StoresError';
  }
}

/** The keystore and the truststore that are set for one side of a link, as their files are now. */
export class LinkStores {
  readonly #key: string;
  readonly #keystore: StoreFile<Keystore> | undefined;
  readonly #truststore: StoreFile<string[]> | undefined;

  private constructor(
    key: string,
    keystore: StoreFile<Keystore> | undefined,
    truststore: StoreFile<string[]> | undefined,
  ) {
    this.#key = key;
    this.#keystore = keystore;
    this.#truststore = truststore;
  }

  /** @throws StoresError with every file that is not taken */
  static async open(options: StoresOptions): Promise<LinkStores> {
    const { key, usage, now } = options;
    const problems: StoreProblem[] = [];
    const opened = async <Store>(
      kind: StoreKind,
      read: (bytes: Uint8Array, setting: StoreFileSetting) => Promise<Store>,
    ): Promise<StoreFile<Store> | undefined> => {
      const { file: path, type, password } = options[kind];
      if (path === undefined) return undefined;
      const setting = { type, password: password?.reveal() };
      try {
        return await StoreFile.open({ path, kind, read: (bytes) => read(bytes, setting) });
      } catch (error) {
        if (!(error instanceof KeystoreError)) throw error;
        problems.push(problemOf(error, key, kind));
        return undefined;
      }
    };
    const keystore = await opened('keystore', async (bytes, setting) =>
      withUsage(await readKeystore(bytes, { ...setting, nowMs: now() }), usage),
    );
    const truststore = await opened('truststore', readTruststore);
    if (problems.length > 0) throw new StoresError(problems);
    return new LinkStores(key, keystore, truststore);
  }

  /** Undefined when none is set. */
  get keystore(): Keystore | undefined {
    return this.#keystore?.store;
  }

  /** PEM each; undefined when none is set. */
  get truststore(): readonly string[] | undefined {
    return this.#truststore?.store;
  }

  /** What keeps a file, as the last look found it, from being taken. */
  get problems(): StoreProblem[] {
    const found: [StoreKind, KeystoreError | undefined][] = [
      ['keystore', this.#keystore?.refusal],
      ['truststore', this.#truststore?.refusal],
    ];
    return found.flatMap(([kind, refusal]) =>
      refusal === undefined ? [] : [problemOf(refusal, this.#key, kind)],
    );
  }

  /** Looks at the files again. What is not taken is told once, and leaves what there was. */
  async refresh(): Promise<{ replaced: boolean; problems: StoreProblem[] }> {
    const found: [StoreKind, Refreshed | undefined][] = [
      ['keystore', await this.#keystore?.refresh()],
      ['truststore', await this.#truststore?.refresh()],
    ];
    return {
      replaced: found.some(([, outcome]) => outcome === 'replaced'),
      problems: found.flatMap(([kind, outcome]) =>
        outcome instanceof KeystoreError ? [problemOf(outcome, this.#key, kind)] : [],
      ),
    };
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

function problemOf(
  { code, field, message }: KeystoreError,
  key: string,
  kind: StoreKind,
): StoreProblem {
  const setting = field === 'password' ? 'password' : 'file';
  return { code, text: `${key}.${kind}.${setting}: ${message}` };
}
