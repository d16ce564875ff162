import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import type { AgentEvents } from '../events/agent-events.ts';
import { RepeatedActs } from '../events/repeated-acts.ts';
import type { LocalApiSettings, TcpConfig } from '../local-api-settings.ts';
import { listensOnTcp } from '../local-api-settings.ts';
import { peerFields, type Log } from '../log.ts';
import { refusalsTo } from '../refusals-log.ts';
import { answer, type Access, type AnswerParts } from './answers.ts';
import type { SocketAccess } from './claim-socket.ts';
import type { HealthParts } from './health.ts';
import type { Answer } from './in-turn.ts';
import { RequestCounts } from './request-counts.ts';
import { everything, rightsOf, type Rights } from './rights.ts';
import { SharedBodies } from './shared-bodies.ts';
import { socketAccessOf } from './socket-access.ts';
import { openSocket, type Listener } from './socket-listener.ts';
import type { TcpListener } from './tcp-listener.ts';
import { UnreadReplies } from './unread-replies.ts';
import { admitUser, type Users } from './users.ts';
import { WatchHub } from './watch.ts';

/** At the agent's own socket, and at each of the further places: none keeps the programs at another waiting. */
const OWN = { maxUnreadBytes: 16 * 1024 * 1024, maxWatchers: 64 };
const FURTHER = { maxUnreadBytes: 4 * 1024 * 1024, maxWatchers: 16 };

export type LocalApiParts = HealthParts & {
  /** The agent's own, where everything may be read. */
  socket: string;
  socketMode: number;
  /** The further places, each with what may be read there. */
  localApi: LocalApiSettings;
  log: Log;
  /** What programs do is recorded here; absent: nowhere. */
  events?: Pick<AgentEvents, 'record'>;
  unreadTimeoutMs?: number;
};

/** What applications talk to: HTTP on unix sockets, whose file permissions say who may ask, and on loopback TCP. */
export class LocalApi {
  readonly #parts: LocalApiParts;
  readonly #answers: AnswerParts;
  readonly #listeners: Listener[] = [];
  #tcp: TcpListener | undefined;

  private constructor(parts: LocalApiParts) {
    this.#parts = parts;
    this.#answers = {
      health: {
        ...parts,
        fileProblems: () => [...parts.fileProblems(), ...(this.#tcp?.problems ?? [])],
      },
      watch: new WatchHub(parts.agent, parts.log),
      requests: new RequestCounts(),
      bodies: new SharedBodies(),
      acts: new RepeatedActs(parts.events?.record ?? (() => {}), () => systemClock.now()),
      log: parts.log,
    };
  }

  /**
   * Opens every listener, or none; the one on TCP waits for files that are not taken.
   *
   * @throws AgentError of `listenOnSocket`, `usage.invalid` for an account that is not there, `local_api.unusable`
   */
  static async listen(parts: LocalApiParts): Promise<LocalApi> {
    const api = new LocalApi(parts);
    try {
      await api.#openAll();
    } catch (error) {
      await api.close();
      throw error;
    }
    return api;
  }

  /** Looks at the files of the TCP listener again; what is not taken is told, and leaves what there was. */
  async refresh(): Promise<void> {
    await this.#tcp?.refresh();
  }

  /** Ends the streams of all watchers after telling them that the agent was revoked. */
  revoke(): void {
    this.#answers.watch.revoke();
    this.#answers.bodies.forget();
  }

  /** Stops listening, which removes the sockets, and ends every connection. */
  async close(): Promise<void> {
    this.#answers.watch.close();
    this.#answers.acts.close();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#answers.bodies.forget();
  }

  async #openAll(): Promise<void> {
    const { socket, socketMode, localApi, log } = this.#parts;
    await this.#openSocket(socket, { mode: socketMode }, this.#access(socket, everything, OWN));
    for (const settings of localApi.sockets) {
      const { path, allow } = settings;
      const { file, users } = socketAccessOf(settings);
      await this.#openSocket(path, file, this.#access(path, rightsOf(allow), FURTHER), users);
      log.info({ path }, 'listening for programs');
    }
    if (listensOnTcp(localApi.tcp)) await this.#openTcp(localApi.tcp);
  }

  #access(place: string, rights: Rights, { maxUnreadBytes, maxWatchers }: typeof OWN): Access {
    const unread = new UnreadReplies(maxUnreadBytes, this.#parts.unreadTimeoutMs);
    return { place, rights, unread, maxWatchers };
  }

  async #openSocket(
    path: string,
    file: SocketAccess,
    access: Access,
    users?: Users,
  ): Promise<void> {
    const admit = users && this.#admitting(users, path);
    const answer = this.#answersTo({ ...access, admit });
    this.#listeners.push(await openSocket(path, file, { unread: access.unread, users, answer }));
  }

  #admitting(users: Users, path: string): Access['admit'] {
    const refused = refusalsTo(this.#parts.log, 'a program was refused');
    return (_request, peer) => {
      try {
        admitUser(users, peer);
      } catch (error) {
        if (error instanceof AgentError) refused(error, { path, ...peerFields(peer) });
        throw error;
      }
    };
  }

  async #openTcp(tcp: TcpConfig): Promise<void> {
    // It brings the readers of keystores, which an agent without it starts sooner without.
    const { TcpListener } = await import('./tcp-listener.ts');
    const access = this.#access(`tcp ${tcp.address}`, rightsOf(tcp.allow), FURTHER);
    this.#tcp = await TcpListener.open(tcp, {
      log: this.#parts.log,
      answersTo: (admit) => {
        const own = { ...access, admit };
        return {
          unread: own.unread,
          answer: this.#answersTo(own),
          endStreams: () => this.#answers.watch.endOf(own),
        };
      },
    });
    this.#listeners.push(this.#tcp);
  }

  #answersTo(access: Access): Answer {
    return (request, response, peer) => answer(this.#answers, access, { request, response, peer });
  }
}
