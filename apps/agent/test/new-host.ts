import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { storedIdentity, type StoredIdentity } from '../src/state/identity.ts';
import type { ControlPlaneDouble } from './control-plane-double.ts';
import { runAgent, type Outcome } from './run-agent.ts';

/** A host that is about to join the double's group, with a token in a file. */
export class NewHost {
  readonly home: TempDirectory;
  readonly tokenFile: string;
  stateDir: string;
  readonly #double: ControlPlaneDouble;

  private constructor(double: ControlPlaneDouble, home: TempDirectory) {
    this.#double = double;
    this.home = home;
    this.tokenFile = join(home.path, 'token');
    this.stateDir = join(home.path, 'state');
  }

  static async create(double: ControlPlaneDouble): Promise<NewHost> {
    const host = new NewHost(double, await createTempDirectory('enroll'));
    await writeFile(host.tokenFile, `${double.mintToken()}\n`, { mode: 0o600 });
    double.clockOffsetMs = 0;
    double.received.length = 0;
    return host;
  }

  /** Enrols with these variables set, as it does without any. */
  enrollWith(env: Record<string, string>): Promise<Outcome> {
    return runAgent(this.#command([]), { env });
  }

  enroll(...more: string[]): Promise<Outcome> {
    return runAgent(this.#command(more));
  }

  #command(more: string[]): string[] {
    const trust = more.includes('--ca-file') ? [] : ['--fingerprint', this.#double.fingerprint];
    const to = ['--url', this.#double.url, '--state-dir', this.stateDir];
    return ['enroll', ...to, '--token-file', this.tokenFile, ...trust, ...more];
  }

  async readIdentity(): Promise<StoredIdentity> {
    const text = await readFile(join(this.stateDir, 'identity.json'), 'utf8');
    return storedIdentity.parse(JSON.parse(text));
  }
}
