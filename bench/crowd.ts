import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { crowdNews, type CrowdNews, type CrowdOrder } from './crowd-messages.ts';

const MEMBER = fileURLToPath(new URL('crowd-member.ts', import.meta.url));
const PATIENCE_MS = 300_000;

/** Client processes that share the waiting clients among them. */
export class Crowd {
  readonly #members: ChildProcess[];

  private constructor(members: ChildProcess[]) {
    this.#members = members;
  }

  /** Starts one process per order. Agents go on to apply the group's current revision, which `arrivals` tells. */
  static start(orders: CrowdOrder[]): Crowd {
    return new Crowd(
      orders.map((order) => {
        const flags = ['--disable-warning=ExperimentalWarning'];
        const member = fork(MEMBER, {
          execArgv: flags,
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        });
        member.send(order);
        return member;
      }),
    );
  }

  /** When each client got the next change, in milliseconds of the monotonic clock. */
  async arrivals(): Promise<number[]> {
    const told = this.#members.map((member) => newsOf(member, 'arrived'));
    return (await Promise.all(told)).flatMap(({ atMs }) => atMs);
  }

  /** The body of the newest pull reply. */
  async lastReply(): Promise<string> {
    const [member] = this.#members;
    if (member === undefined) throw new Error('nobody is in the crowd');
    const told = newsOf(member, 'last-reply');
    member.send('last-reply');
    return (await told).body;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(end));
  }
}

async function newsOf<Kind extends CrowdNews['kind']>(
  member: ChildProcess,
  kind: Kind,
): Promise<Extract<CrowdNews, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      clearTimeout(timer);
      member.off('message', hear).off('exit', ended);
      done();
    };
    const hear = (message: unknown) => {
      const news = crowdNews.parse(message);
      if (isOf(news, kind)) settle(() => resolve(news));
    };
    const ended = () => settle(() => reject(new Error('a client process ended')));
    const timer = setTimeout(
      () => settle(() => reject(new Error(`no news (${kind}) for ${PATIENCE_MS / 1000} s`))),
      PATIENCE_MS,
    );
    member.on('message', hear).once('exit', ended);
  });
}

function isOf<Kind extends CrowdNews['kind']>(
  news: CrowdNews,
  kind: Kind,
): news is Extract<CrowdNews, { kind: Kind }> {
  return news.kind === kind;
}

/** Ends a process that this one has forked. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}
