import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for one test's files, removed at its end. */
export class TempFolder implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'sallyport-config-'));

  /** Writes a file, for its owner alone unless told otherwise, and returns its path. */
  write(name: string, content: string | Buffer, mode = 0o600): string {
    const path = join(this.#path, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  path(name: string): string {
    return join(this.#path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
