import { randomUUID } from 'node:crypto';
import type { ClaimedTask, TaskKind } from '@sallyport/contract';
import { taskKind } from '@sallyport/contract';
import { Job, UnrecoverableError } from 'bullmq';
import { systemOperation } from '../authorization/index.ts';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import type { Platform } from '../platform/platform.ts';
import type { JobQueue, QueueBackend } from '../platform/queue-backend.ts';
import { recordTasks } from './record-task.ts';
import {
  listBusyAgents,
  listOpenTasks,
  markAbandoned,
  markClaimed,
  markDead,
  type TriedTask,
} from './tasks.store.ts';

/** How long an agent may hold a task without a word. */
const LOCK_SECONDS = 30;
export const MAX_ATTEMPTS = 3;
const RETRY_BACKOFF_MS = 1_000;
const QUEUE_TIMEOUT_MS = 2_000;
/** About a second's work, at a millisecond for each task. */
const AT_ONCE = 1_000;
const ABANDONED_AFTER_DAYS = 7;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A task that an agent says it holds. */
export type HeldTask = { agentId: string; taskId: string; lock: string };

/**
 * The queues of tasks, one per agent, without a worker: agents claim when they pull. The queue leases and
 * waits between attempts; the row in Postgres is the record: it counts the attempts and says how the task
 * ended, and from it a queue that lost its jobs is filled again.
 */
export class AgentTasks {
  readonly #platform: Platform;
  readonly #openQueue: (name: string) => JobQueue;
  readonly #queues = new Map<string, JobQueue>();
  #mayHaveWork = new Set<string>();
  /** Agents noticed since the last `reload` began, whose statement may not have seen their tasks yet. */
  #noticed = new Set<string>();
  /** The task that `repair` ended with, and goes on from. */
  #repaired: string | undefined;

  private constructor(platform: Platform, openQueue: (name: string) => JobQueue) {
    this.#platform = platform;
    this.#openQueue = openQueue;
  }

  static async open(platform: Platform, backend: QueueBackend): Promise<AgentTasks> {
    const openQueue = await backend.queues({
      lockDuration: LOCK_SECONDS * 1000,
      // Redis wants a number. Only a worker would act on it: here the row counts.
      maxStalledCount: MAX_ATTEMPTS,
      stalledInterval: 5_000,
    });
    return new AgentTasks(platform, openQueue);
  }

  /** Whether there may be something to claim; false is certain until the next wake-up or look. */
  mayHaveWork(agentId: string): boolean {
    return this.#mayHaveWork.has(agentId);
  }

  /** A wake-up said that the agent has work. */
  notice(agentId: string): void {
    this.#mayHaveWork.add(agentId);
    this.#noticed.add(agentId);
  }

  /** Re-reads who has open tasks; returns their ids. */
  async reload(): Promise<string[]> {
    const noticed = (this.#noticed = new Set<string>());
    const busy = await this.#platform.db.read((reader) => listBusyAgents(reader));
    this.#mayHaveWork = new Set([...busy, ...noticed]);
    for (const agentId of this.#queues.keys())
      if (!this.#mayHaveWork.has(agentId)) this.#queues.delete(agentId);
    return [...this.#mayHaveWork];
  }

  /** Puts a task on its agent's queue; a second time changes nothing. */
  async enqueue(agentId: string, taskId: string, kind: TaskKind): Promise<void> {
    const added = this.#queue(agentId).add(
      kind,
      {},
      {
        jobId: taskId,
        attempts: MAX_ATTEMPTS,
        backoff: { type: 'exponential', delay: RETRY_BACKOFF_MS },
        removeOnComplete: true,
        // Its id must be free, should the row say that the task is still to be done.
        removeOnFail: true,
      },
    );
    await inTime(added);
  }

  /** Claims up to `capacity` tasks under a lock each; none while the queue is away, since secrets must go on. */
  async claim(agentId: string, capacity: number): Promise<ClaimedTask[]> {
    if (!this.#mayHaveWork.delete(agentId)) return [];
    const claimed: ClaimedTask[] = [];
    try {
      await this.#claimInto(claimed, agentId, capacity);
    } catch (error) {
      // Not noticed again here, or the pull would ask in a tight loop: the next `reload` does.
      this.#platform.log.warn({ err: error, agentId }, 'tasks wait for their queue to come back');
    }
    return claimed;
  }

  async #claimInto(claimed: ClaimedTask[], agentId: string, capacity: number): Promise<void> {
    for (
      let next = await this.#claimOne(agentId);
      next !== undefined;
      next = await this.#claimOne(agentId)
    ) {
      claimed.push(next);
      this.#platform.metrics.tasks.inc({ transition: 'claimed' });
      if (claimed.length === capacity) {
        this.notice(agentId);
        break;
      }
    }
  }

  /** The next task that may still be tried; those before it that have ended are taken off the queue. */
  async #claimOne(agentId: string): Promise<ClaimedTask | undefined> {
    const queue = this.#queue(agentId);
    const lock = randomUUID();
    const [data, id] = await inTime(queue.getBackend().moveToActive(lock));
    if (!id) return undefined;
    const job = Job.fromJSON(queue, data, String(id));
    const taskId = String(id);
    const { db } = this.#platform;
    const attempt = await db.write((writer) => markClaimed(writer, taskId, MAX_ATTEMPTS));
    if (attempt === undefined) {
      await this.#endUnfinished(taskId);
      await inTime(job.moveToFailed(new UnrecoverableError('the task has ended'), lock, false));
      return this.#claimOne(agentId);
    }
    const kind = taskKind.parse(job.name);
    return { id: taskId, kind, lock, lockSeconds: LOCK_SECONDS, attempt };
  }

  /** Ends a task that was handed out as often as it may be, without a word of how it went. */
  async #endUnfinished(taskId: string): Promise<void> {
    const { db, clock, metrics } = this.#platform;
    const error = `The agent took this task ${MAX_ATTEMPTS} times and never told how it went; read the agent’s log, then give it the task again.`;
    const ended = await db.transaction(async (tx) => {
      const task = await markDead(tx, taskId, error, new Date(clock.now()));
      if (task !== undefined) await this.#recordAbandoned(tx, [task]);
      return task;
    });
    if (ended !== undefined) metrics.tasks.inc({ transition: 'dead' });
  }

  /** @throws AppError `task.lock_lost` */
  async extend({ agentId, taskId, lock }: HeldTask): Promise<void> {
    const backend = this.#queue(agentId).getBackend();
    const held = await inTime(backend.extendLock(taskId, lock, LOCK_SECONDS * 1000));
    if (!held) throw lockLost();
  }

  /** Takes a task that is done off the queue. @throws AppError `task.lock_lost` */
  async complete(held: HeldTask): Promise<void> {
    const job = await this.#job(held);
    await inTime(job.moveToCompleted('done', held.lock, false).catch(rethrowLost));
    this.#platform.metrics.tasks.inc({ transition: 'completed' });
  }

  /** Lets go of a task that failed, to come `again` after a pause or not at all. @throws AppError `task.lock_lost` */
  async fail(held: HeldTask, reason: string, { again }: { again: boolean }): Promise<void> {
    const job = await this.#job(held);
    const failure = again ? new Error(reason) : new UnrecoverableError(reason);
    await inTime(job.moveToFailed(failure, held.lock, false).catch(rethrowLost));
    this.#platform.metrics.tasks.inc({ transition: again ? 'failed' : 'dead' });
  }

  /** Frees tasks whose agent fell silent, and refills a queue that lost its jobs: some at a time, each in its turn. */
  async repair(): Promise<void> {
    const from = { after: this.#repaired, limit: AT_ONCE };
    const some = await this.#platform.db.read((reader) => listOpenTasks(reader, from));
    for (const agentId of new Set(some.map((task) => task.agentId)))
      await this.#queue(agentId).getBackend().moveStalledJobsToWait();
    for (const { agentId, id, kind } of some) await this.enqueue(agentId, id, kind);
    this.#repaired = some.length === AT_ONCE ? some.at(-1)?.id : undefined;
  }

  /** Gives up tasks that nobody finished for days: their agent may never come back. */
  async endAbandoned(): Promise<void> {
    const { db, clock, metrics } = this.#platform;
    const now = clock.now();
    const before = new Date(now - ABANDONED_AFTER_DAYS * DAY_MS);
    const error = `The agent did not finish this task in ${ABANDONED_AFTER_DAYS} days; see that it runs, then give it the task again.`;
    const end = { error, finishedAt: new Date(now) };
    const ended = await db.transaction(async (tx) => {
      const tasks = await markAbandoned(tx, before, AT_ONCE, end);
      await this.#recordAbandoned(tx, tasks);
      return tasks;
    });
    metrics.tasks.inc({ transition: 'dead' }, ended.length);
    for (const { agentId, id } of ended) await inTime(this.#queue(agentId).remove(id));
  }

  async #recordAbandoned(tx: Db, tasks: readonly TriedTask[]): Promise<void> {
    const op = systemOperation('tasks');
    await recordTasks(tx, op, 'task:abandon', tasks, this.#platform.clock.now());
  }

  async #job({ agentId, taskId }: HeldTask): Promise<Job> {
    const job = await inTime(this.#queue(agentId).getJob(taskId));
    if (job === undefined) throw lockLost();
    return job;
  }

  #queue(agentId: string): JobQueue {
    const existing = this.#queues.get(agentId);
    if (existing !== undefined) return existing;
    const queue = this.#openQueue(`agent-${agentId}`);
    this.#queues.set(agentId, queue);
    return queue;
  }
}

function lockLost(): AppError {
  return new AppError(
    'task.lock_lost',
    'The task is no longer held under this lock; drop it, it will come again if it is still to be done.',
  );
}

/** BullMQ waits for its connection without end; without this, whoever asked would wait with it. */
async function inTime<Value>(work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), QUEUE_TIMEOUT_MS);
  try {
    return await Promise.race([work, late.promise]);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError(
      'server.unavailable',
      'The task queue cannot be reached; try again shortly.',
      { retryAfterSeconds: 5, cause },
    );
  } finally {
    clearTimeout(timer);
  }
}

function rethrowLost(error: unknown): never {
  if (error instanceof Error && /lock|not in the active state/i.test(error.message))
    throw lockLost();
  throw error;
}
