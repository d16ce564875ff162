import {
  MAX_PULL_WAIT_SECONDS,
  PROTOCOL,
  type PullBody,
  type PullReply,
} from '@sallyport/contract';
import { faultOf, framesOf, type AgentError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { Leases } from '../leases/leases.ts';
import type { ControlPlane } from '../link/control-plane.ts';
import type { Session } from '../link/session.ts';
import type { Log } from '../log.ts';
import type { TaskRunner } from '../tasks/task-runner.ts';
import { Backoff } from './backoff.ts';
import type { Contact } from './contact.ts';
import type { Applied, DurableCopy, Replica } from './replica.ts';

export type SyncParts = {
  session: Session;
  controlPlane: ControlPlane;
  replica: Replica;
  contact: Contact;
  tasks: TaskRunner;
  leases: Pick<Leases, 'named' | 'end' | 'isForgetful' | 'remembered'>;
  clock: Clock;
  random: () => number;
  log: Log;
  /** Called as soon as a revision is swapped in, before anything is written to disk. */
  onApplied: (applied: Applied) => void;
  /** Keeps a durable copy; never rejects, for a full disk must not stop delivery. */
  keep: (copy: DurableCopy) => Promise<void>;
  isDegraded: () => boolean;
  /**
   * Aborts when what runs was wiped, or is of a group that the agent has left: a pull that is under way names it, and
   * would wait for the next revision.
   */
  outdated: () => AbortSignal;
  /** Aborts when the control plane has answered any request of the session, and when a new file of certificates was taken. */
  answered: () => AbortSignal;
};

/** A pull that took longer than this was held back by the control plane, as it should be. */
const HELD_BACK_MS = 1000;
/** How long an acknowledgement waits for the disk. */
const DISK_PATIENCE_MS = 1000;
/** How long a pull that can take no task waits: the agent may be free for one at any moment. */
const BUSY_WAIT_SECONDS = 2;

/**
 * Pulls, applies, keeps and acknowledges until `signal` aborts. Resolves early, with the refusal, when
 * the control plane says that this agent is revoked; nothing else ends it.
 */
export async function runSyncLoop(
  parts: SyncParts,
  signal: AbortSignal,
): Promise<AgentError | undefined> {
  const { clock } = parts;
  const backoff = new Backoff(parts.random);
  // Once per outage: programs make the agent ask often, and each answer would bring another pull that fails.
  let hasComeEarly = false;
  while (!signal.aborted) {
    try {
      const askedAt = clock.monotonic();
      const reply = await pull(parts, AbortSignal.any([signal, parts.outdated()]));
      const progress =
        reply === undefined ? confirmContact(parts) : await act(reply, parts, signal);
      hasComeEarly = false;
      const heldBack = clock.monotonic() - askedAt > HELD_BACK_MS;
      if (progress || heldBack) backoff.reset();
      // A control plane that answers at once with nothing new must not be asked in a tight loop.
      await clock.sleep(progress || heldBack ? spread(reply, parts) : backoff.next(), signal);
    } catch (error) {
      if (signal.aborted) break;
      const fault = faultOf(error);
      if (fault.code === 'agent.revoked') return fault;
      if (fault.code === 'link.aborted') continue;
      const delayMs = Math.round(backoff.next(fault));
      report(fault, delayMs, parts);
      const early: AbortSignal[] = !hasComeEarly && mayBeBack(fault) ? [parts.answered()] : [];
      await clock.sleep(delayMs, AbortSignal.any([signal, ...early]));
      // Where there was no link yet no pull went out: the next file that is taken may be the last that it wants.
      hasComeEarly ||= fault.code !== 'link.files_refused' && early.some(({ aborted }) => aborted);
    }
  }
  return undefined;
}

/** Whether it is the link that failed, so that an answer to anything else shows that it works again. */
function mayBeBack({ status, code, retryable }: AgentError): boolean {
  return retryable && status === undefined && /^(?:link|proxy)\./.test(code);
}

/**
 * Names what the agent runs, which acknowledges it. Out of contact it does not wait for news: the reply
 * itself is the news that there is contact again.
 */
async function pull(parts: SyncParts, signal: AbortSignal): Promise<PullReply | undefined> {
  const { session, controlPlane, replica, contact, tasks, leases } = parts;
  await session.open(signal);
  const { revision, epoch } = replica.position();
  const health = parts.isDegraded() ? 'degraded' : 'ready';
  const taskCapacity = tasks.capacity();
  const waitSeconds = taskCapacity === 0 ? BUSY_WAIT_SECONDS : MAX_PULL_WAIT_SECONDS;
  const named = leases.named();
  const body: PullBody = {
    protocol: PROTOCOL,
    revision,
    epoch,
    status: revision === 0 ? 'starting' : health,
    waitSeconds: contact.state === 'connected' && !leases.isForgetful ? waitSeconds : 0,
    taskCapacity,
    ...(named.length === 0 ? {} : { leases: named }),
    ...(leases.isForgetful ? { leasesForgotten: true } : {}),
  };
  const reply = await controlPlane.pull(body, signal);
  if (body.leasesForgotten === true) leases.remembered();
  return reply;
}

/** Does what a reply asks. Returns whether there was anything to do. */
async function act(reply: PullReply, parts: SyncParts, signal: AbortSignal): Promise<boolean> {
  const { controlPlane, replica, clock, log } = parts;
  const startedAt = clock.monotonic();
  parts.tasks.start(reply.tasks);
  const leasesAreNews = endLeases(reply, parts);
  const bundle =
    reply.bundle ?? (reply.bundleAt && (await controlPlane.bundle(reply.bundleAt, signal)));
  const applied = bundle
    ? await replica.take({ bundle, deliveryKey: reply.deliveryKey })
    : undefined;
  const regained = confirmContact(parts);
  if (applied === undefined) return regained || reply.tasks.length > 0 || leasesAreNews;

  parts.onApplied(applied);
  const { revision, epoch, changes } = applied;
  log.info(
    {
      revision,
      epoch,
      entries: changes.length,
      durationMs: Math.round(clock.monotonic() - startedAt),
    },
    'revision applied',
  );
  await keepWithPatience(applied.durableCopy, parts, signal);
  return true;
}

/** Ends the leases that the reply names. True when it named any that were held, or none: that asks for a pull that names them. */
function endLeases({ endedLeases }: PullReply, { leases }: SyncParts): boolean {
  if (endedLeases === undefined) return false;
  return leases.end(endedLeases) || endedLeases.length === 0;
}

/** The acknowledgement tells whether the disk took it, but a disk that hangs must not stop delivery. */
async function keepWithPatience(
  copy: DurableCopy,
  { keep, clock }: SyncParts,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const kept = keep(copy).finally(() => done.abort());
  await Promise.race([kept, clock.sleep(DISK_PATIENCE_MS, AbortSignal.any([signal, done.signal]))]);
}

function confirmContact({ contact, log }: SyncParts): boolean {
  const regained = contact.made();
  if (regained) log.info({}, 'the control plane serves this agent');
  return regained;
}

/** Between half and all of what the control plane asked for, so that a large group does not come back at once. */
function spread(reply: PullReply | undefined, { random }: SyncParts): number {
  return ((reply?.next.afterMilliseconds ?? 0) * (1 + random())) / 2;
}

function report(fault: AgentError, delayMs: number, { contact, log }: SyncParts): void {
  const level = contact.failed(fault) ? 'warn' : 'debug';
  const fields = { code: fault.code, detail: fault.message, delayMs, stack: framesOf(fault) };
  log[level](fields, 'no news from the control plane; serving what there is');
}
