import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AgentError, framesOf, sentenceOf } from '../agent-error.ts';
import type { Agent } from '../agent.ts';
import type { AgentConfig } from '../config.ts';
import type { Log } from '../log.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { codeOf } from '../state/system-error.ts';
import { keyAndChain } from './certificate-value.ts';
import { fileFault } from './file-fault.ts';

export type CertificateFile = AgentConfig['certificateFiles'][number];

/** What `status` says of a file: the version it holds, and why that is not the newest, if it is not. */
export type CertificateFileState = {
  path: string;
  certificate: string;
  version: number | null;
  error: string | null;
};

const PERMISSIONS = 0o7777;

/**
 * Certificates as files, for programs that read nothing else. Key and chain are one file and change place as
 * one, so that no crash leaves a pair that does not match. A file is written when it is not what it should
 * be, and never emptied or removed: what the agent does not have, it leaves as it is.
 */
export class CertificateFiles {
  readonly #files: readonly CertificateFile[];
  readonly #agent: Agent;
  readonly #log: Log;
  readonly #states = new Map<CertificateFile, CertificateFileState>();
  readonly #unsubscribe: () => void;
  #working = Promise.resolve();

  constructor(files: readonly CertificateFile[], agent: Agent, log: Log) {
    this.#files = files;
    this.#agent = agent;
    this.#log = log;
    for (const entry of files) {
      const { file: path, certificate } = entry;
      this.#states.set(entry, { path, certificate, version: null, error: null });
    }
    this.#unsubscribe = agent.onApplied(() => void this.refresh());
  }

  states(): CertificateFileState[] {
    return [...this.#states.values()];
  }

  /** Brings every file up to date, one refresh after the other. Never rejects. */
  refresh(): Promise<void> {
    this.#working = this.#working.then(async () => {
      for (const entry of this.#files) await this.#refreshOne(entry);
    });
    return this.#working;
  }

  /** Finishes what was begun, and begins nothing more. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#working;
  }

  async #refreshOne(entry: CertificateFile): Promise<void> {
    const { file: path, certificate } = entry;
    const before = this.#states.get(entry);
    try {
      const version = await this.#bringUpToDate(entry);
      this.#states.set(entry, { path, certificate, version, error: null });
    } catch (error) {
      const fault = fileFault(error, path);
      const isNews = before?.error !== fault.code;
      this.#states.set(entry, {
        path,
        certificate,
        version: before?.version ?? null,
        error: fault.code,
      });
      if (isNews) this.#report(fault, path);
    }
  }

  /** Returns the version that the file holds now. */
  async #bringUpToDate({
    certificate,
    file: path,
    mode: modeText,
  }: CertificateFile): Promise<number> {
    const { cache } = this.#agent;
    const entry = cache.find('certificate', certificate);
    if (entry === undefined) throw this.#missing();
    const value = cache.open(entry);
    const wanted = keyAndChain(value);
    value.fill(0);
    const mode = Number.parseInt(modeText, 8);
    const temporary = join(dirname(path), `.${basename(path)}.tmp`);
    try {
      if (await isAsWanted(path, wanted, mode)) await rm(temporary, { force: true });
      else {
        await writeFileAtomically(path, wanted, { mode, temporary });
        this.#log.info({ path, version: entry.version }, 'certificate file written');
      }
    } finally {
      wanted.fill(0);
    }
    return entry.version;
  }

  #missing(): AgentError {
    if (this.#agent.cache.revision()?.complete === true)
      return new AgentError('certificate.not_found', 'the group has no certificate of this name', {
        advice: 'correct the name in certificateFiles, or put the certificate into the group',
      });
    return new AgentError('agent.not_ready', 'the agent has not received the certificate yet');
  }

  #report(fault: AgentError, path: string): void {
    const level = fault.code === 'agent.not_ready' ? 'debug' : 'error';
    const { code } = fault;
    this.#log[level](
      { code, path, detail: sentenceOf(fault), stack: framesOf(fault) },
      'a certificate file is not up to date; what is there stays',
    );
  }
}

/** Whether the file is there, is no link, and has these bytes and this mode. */
async function isAsWanted(path: string, wanted: Buffer, mode: number): Promise<boolean> {
  try {
    await using file = await open(
      path,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    const stats = await file.stat();
    if (!stats.isFile() || (stats.mode & PERMISSIONS) !== mode || stats.size !== wanted.byteLength)
      return false;
    const held = await file.readFile();
    const same = held.equals(wanted);
    held.fill(0);
    return same;
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EACCES'].includes(codeOf(error) ?? '')) return false;
    throw error;
  }
}
