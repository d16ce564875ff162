import type { TLSSocket } from 'node:tls';
import type { SeenOnLink } from '@sallyport/contract';
import type { LinkError } from '@sallyport/tls/https-link';
import { fingerprintsOn, negotiatedOn } from '@sallyport/tls/negotiated';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import {
  noteDisconnected,
  writeLinkState,
  type LinkState,
  type LinkTarget,
} from './links.store.ts';

/** Tells operators how it goes with a link: in its row, and in the log, whenever that changes. */
export class LinkReport {
  readonly #platform: Platform;
  readonly #target: LinkTarget;
  #connectedAt: Date | undefined;
  #code: string | undefined;
  #agentId: string | undefined;
  #seen: string | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(platform: Platform, target: LinkTarget) {
    this.#platform = platform;
    this.#target = target;
  }

  /** Both sides have proved who they are over a new connection. */
  dialled(socket: TLSSocket): void {
    const { own, peer } = fingerprintsOn(socket);
    const seen: SeenOnLink = {
      ...negotiatedOn(socket),
      agentFingerprint: peer,
      controlPlaneFingerprint: own,
    };
    const text = JSON.stringify(seen);
    if (text === this.#seen) return;
    this.#seen = text;
    this.#write({ seen });
  }

  /** The agent has begun to ask over the link, or no longer can. */
  connected(connected: boolean): void {
    const before = this.#connectedAt;
    this.#connectedAt = connected ? new Date(this.#platform.clock.now()) : undefined;
    this.#code = undefined;
    const noError = { errorCode: null, errorText: null, errorAt: null };
    if (this.#connectedAt !== undefined)
      this.#write({ connectedAt: this.#connectedAt, ...noError });
    else if (before !== undefined)
      this.#queue((writer) => noteDisconnected(writer, this.#target.id, before));
    this.#log(
      'info',
      connected ? 'an agent is connected by its link' : 'a link has lost its agent',
    );
  }

  /** The agent could not be dialled; while it uses other connections that is none of the operators' concern. */
  failed({ code, message }: LinkError): void {
    if (this.#connectedAt !== undefined || code === this.#code) return;
    this.#code = code;
    const now = new Date(this.#platform.clock.now());
    this.#write({ errorCode: code, errorText: message, errorAt: now });
    this.#log('warn', 'an agent cannot be dialled', { code, reason: message });
  }

  /** An agent of the link's group has shown who it is. */
  usedBy(agentId: string): void {
    if (agentId === this.#agentId) return;
    this.#agentId = agentId;
    this.#write({ agentId });
  }

  /** What was to be written is, or could not be. */
  settled(): Promise<void> {
    return this.#written;
  }

  #write(state: Partial<LinkState>): void {
    this.#queue((writer) => writeLinkState(writer, this.#target.id, state));
  }

  /** One after the other, so that the last change stays. */
  #queue(work: (writer: Db) => Promise<void>): void {
    const { db, log } = this.#platform;
    this.#written = this.#written
      .then(() => db.write(work))
      .catch((err: unknown) => log.warn({ err }, 'the state of a link cannot be written'));
  }

  #log(level: 'info' | 'warn', text: string, more: { code?: string; reason?: string } = {}): void {
    const { groupId, address } = this.#target;
    this.#platform.log[level]({ groupId, host: address, ...more }, text);
  }
}
