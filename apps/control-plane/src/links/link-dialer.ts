import type { Server } from 'node:http';
import { splitAddress } from '@sallyport/contract';
import { dialAgent } from '@sallyport/tls/dial-agent';
import type pg from 'pg';
import type { Bell } from '../platform/bell.ts';
import { Elected, type Office } from '../platform/elected.ts';
import type { Platform } from '../platform/platform.ts';
import { seldom } from '../platform/seldom.ts';
import type { DialCredentials } from './dial-credentials.ts';
import { DialledLink } from './dialled-link.ts';
import type { DialledSockets } from './dialled-sockets.ts';
import { LinkReport } from './link-report.ts';
import { forgetConnections, listTargets, type LinkTarget } from './links.store.ts';

const LOCK = 7_205_603;
/** How often links are looked at without being told of a change. */
const LOOK_EVERY_MS = 5_000;
const DIAL_TIMEOUT_MS = 10_000;
/** So many milliseconds for each link, in which all of them begin. */
const SPREAD_MS = 2;

type DialerParts = {
  platform: Platform;
  database: pg.ClientConfig;
  /** Of the agent API; its timeouts hold once it listens. */
  server: Server;
  credentials: DialCredentials;
  sockets: DialledSockets;
  /** Rung when links were made or deleted. */
  changed: Bell;
};

/**
 * Dials the agents that listen, for every link of every group, and hands the connections to the agent API. One
 * replica of all does, and another begins when it is gone.
 */
export class LinkDialer {
  readonly #parts: DialerParts;
  readonly #elected: Elected;
  readonly #links = new Map<string, { dialled: DialledLink; report: LinkReport }>();
  readonly #report: (error: unknown) => void;

  constructor(parts: DialerParts) {
    this.#parts = parts;
    const { platform, database } = parts;
    this.#report = seldom(platform.clock, (err: unknown, count) =>
      platform.log.warn({ err, count }, 'the links cannot be looked at; trying again'),
    );
    this.#elected = new Elected(database, platform, {
      lock: LOCK,
      name: 'dials the links',
      answersInMs: 5_000,
      run: (office) => this.#run(office),
    });
  }

  start(): void {
    this.#elected.start();
  }

  /** Ends every connection that was dialled here. */
  async stop(): Promise<void> {
    await this.#elected.stop();
  }

  async #run({ signal }: Office): Promise<void> {
    const { platform, server, sockets, changed } = this.#parts;
    let ended = Promise.resolve();
    // Not only once a statement has ended: another replica may dial by now.
    const onAbort = (): void => {
      ended = this.#endAll();
      changed.ring();
    };
    signal.addEventListener('abort', onAbort);
    server.on('request', sockets.onRequest);
    let begun = false;
    try {
      while (!signal.aborted) {
        try {
          if (!begun) await platform.db.write(forgetConnections);
          begun = true;
          const targets = await platform.db.read(listTargets);
          if (!signal.aborted) this.#follow(targets);
        } catch (error) {
          this.#report(error);
        }
        await changed.wait(LOOK_EVERY_MS);
      }
    } finally {
      server.off('request', sockets.onRequest);
      signal.removeEventListener('abort', onAbort);
      await ended;
    }
  }

  /** Begins what is new, and ends what is gone. */
  #follow(targets: LinkTarget[]): void {
    const wanted = new Set(targets.map(({ id }) => id));
    for (const [id, { dialled }] of this.#links) {
      if (wanted.has(id)) continue;
      this.#links.delete(id);
      dialled.close();
    }
    const fresh = targets.filter(({ id }) => !this.#links.has(id));
    for (const target of fresh) {
      const link = this.#linkTo(target);
      this.#links.set(target.id, link);
      link.dialled.start(Math.random() * fresh.length * SPREAD_MS);
    }
  }

  #linkTo(target: LinkTarget): { dialled: DialledLink; report: LinkReport } {
    const { platform, server, credentials, sockets } = this.#parts;
    const report = new LinkReport(platform, target);
    const dialled = new DialledLink({
      dial: async (signal) => {
        const socket = await dialAgent({
          ...splitAddress(target.address),
          fingerprint: target.agentFingerprint ?? undefined,
          secureContext: await credentials.secureContext(),
          timeoutMs: DIAL_TIMEOUT_MS,
          signal,
        });
        report.dialled(socket);
        return socket;
      },
      serve: (socket) => {
        sockets.add(socket, {
          groupId: target.groupId,
          asked: (asking, response) => dialled.asked(asking, response),
          usedBy: (agentId) => report.usedBy(agentId),
        });
        server.emit('secureConnection', socket);
      },
      random: Math.random,
      onConnected: (connected) => report.connected(connected),
      onFailed: (error) => report.failed(error),
      onDefect: (error) => this.#report(error),
    });
    return { dialled, report };
  }

  async #endAll(): Promise<void> {
    const reports = [...this.#links.values()].map(({ report }) => report);
    this.#follow([]);
    await Promise.all(reports.map((report) => report.settled()));
  }
}
