import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OfflineBundle } from '@sallyport/contract';
import { CryptoError } from '@sallyport/crypto/crypto-error';
import { createTempDirectory, type TempDirectory } from '@sallyport/testkit/temp';
import { AgentError } from '../src/agent-error.ts';
import { systemClock } from '../src/clock.ts';
import { importBundle } from '../src/offline/import-bundle.ts';
import { DoubleGroup } from './double/group.ts';
import { admit, exportFrom, type Admitted } from './double/offline.ts';
import { startDaemon, type TestDaemon } from './harness.ts';
import { runAgent, type Outcome } from './run-agent.ts';

/** A host without any network, and the group that an operator admitted it to. */
export class OfflineHost {
  readonly group: DoubleGroup;
  readonly home: TempDirectory;
  readonly stateDir: string;
  readonly socket: string;
  #admitted: Admitted | undefined;
  #files = 0;

  private constructor(group: DoubleGroup, home: TempDirectory) {
    this.group = group;
    this.home = home;
    this.stateDir = join(home.path, 'state');
    this.socket = join(home.path, 'agent.sock');
  }

  /** As what the operator admitted it. */
  get admitted(): Admitted {
    if (this.#admitted === undefined) throw new Error('the host has not asked yet');
    return this.#admitted;
  }

  /** One that has not asked yet. */
  static async create(): Promise<OfflineHost> {
    const group = await DoubleGroup.create();
    group.putSecret('db', 'first');
    return new OfflineHost(group, await createTempDirectory('offline'));
  }

  /** One that was admitted, and has imported its first bundle. */
  static async imported(): Promise<OfflineHost> {
    const host = await OfflineHost.create();
    await host.ask();
    const { code, stderr } = await host.importFirst(await host.exported());
    if (code !== 0) throw new Error(stderr);
    return host;
  }

  agent(args: readonly string[]): Promise<Outcome> {
    const where = ['--state-dir', this.stateDir, '--socket', this.socket];
    return runAgent([...args.slice(0, 2), ...where, ...args.slice(2)]);
  }

  /** Makes a request, and has it admitted. */
  async ask(...more: string[]): Promise<Outcome> {
    const outcome = await this.agent(['bundle', 'request', '--name', 'edge-7', ...more]);
    if (outcome.code === 0) this.#admitted = await admit(outcome.stdout);
    return outcome;
  }

  exported(change: Partial<OfflineBundle> = {}, signer = this.group.signer): Promise<string> {
    return exportFrom(this.group, this.admitted, change, signer);
  }

  /** With the signer that the export printed. */
  importFirst(text: string | Buffer, ...more: string[]): Promise<Outcome> {
    return this.import(text, '--signer', this.group.signer.thumbprint, ...more);
  }

  async import(text: string | Buffer, ...more: string[]): Promise<Outcome> {
    this.#files += 1;
    const file = join(this.home.path, `stick-${this.#files}`);
    await writeFile(file, text);
    return this.agent(['bundle', 'import', file, ...more]);
  }

  /** The code by which an import is refused. */
  async refusal(jws: Buffer, signer?: string): Promise<string> {
    const refused: unknown = await importBundle({
      stateDir: this.stateDir,
      jws,
      signer,
      clock: systemClock,
    }).catch((error: unknown) => error);
    if (refused instanceof AgentError || refused instanceof CryptoError) return refused.code;
    throw new Error('the bundle was taken');
  }

  /** Puts a file where the daemon looks, past the command that verifies it first. */
  async leave(text: string): Promise<void> {
    await writeFile(join(this.stateDir, 'incoming.bundle'), text, { mode: 0o600 });
  }

  run(settings: Partial<Parameters<typeof startDaemon>[0]> = {}): Promise<TestDaemon> {
    return startDaemon({ stateDir: this.stateDir, socket: this.socket, ...settings });
  }

  /** Name and content of everything in the state directory; `undefined` where there is none. */
  async state(): Promise<Record<string, string> | undefined> {
    const names = await readdir(this.stateDir).catch(() => undefined);
    if (names === undefined) return undefined;
    const files = names.filter((name) => !/^(?:lock|quarantine|events)/.test(name));
    const read = async (name: string) =>
      [name, await readFile(join(this.stateDir, name), 'latin1')] as const;
    return Object.fromEntries(await Promise.all(files.map(read)));
  }

  async quarantined(): Promise<string[]> {
    const names = await readdir(join(this.stateDir, 'quarantine')).catch(() => []);
    return names.map((name) => name.replace(/^.*Z-/, ''));
  }
}
