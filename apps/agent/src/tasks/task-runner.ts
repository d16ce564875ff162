import type { ClaimedTask, Diagnosis } from '@sallyport/contract';
import { AgentError, faultOf, framesOf } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { ControlPlane } from '../link/control-plane.ts';
import type { Log, LogFields } from '../log.ts';
import { Backoff } from '../sync/backoff.ts';

const CAPACITY = 4;
const REPORT_ATTEMPTS = 4;

export type TaskParts = {
  controlPlane: Pick<ControlPlane, 'extendTask' | 'completeTask' | 'failTask'>;
  clock: Clock;
  random: () => number;
  log: Log;
  /** What each kind of task does. */
  diagnose: () => Promise<Diagnosis>;
};

/** Runs claimed tasks beside the sync loop. A task may run twice, and is dropped when its lock is lost. */
export class TaskRunner {
  readonly #parts: TaskParts;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: TaskParts) {
    this.#parts = parts;
  }

  /** How many more tasks the agent takes on now. */
  capacity(): number {
    return CAPACITY - this.#running.size;
  }

  start(tasks: readonly ClaimedTask[]): void {
    for (const task of tasks) {
      const run = this.#run(task).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  /** Gives up running tasks; the control plane hands them out again when their locks end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #run(task: ClaimedTask): Promise<void> {
    const { clock, log } = this.#parts;
    const startedAtMs = clock.monotonic();
    const taken = () => Math.round(clock.monotonic() - startedAtMs);
    const fields = { taskId: task.id, taskKind: task.kind, attempt: task.attempt };
    const done = new AbortController();
    const signal = AbortSignal.any([done.signal, this.#stop.signal]);
    const lock = this.#holdLock(task, signal);
    log.info(fields, 'task started');
    try {
      const fault = await Promise.race([this.#work(task, signal), lock]);
      const ended = { ...fields, durationMs: taken() };
      if (fault === undefined) log.info(ended, 'task done');
      else log.warn({ ...ended, ...inWords(fault) }, 'task failed');
    } catch (error) {
      log.warn({ ...fields, durationMs: taken(), ...inWords(faultOf(error)) }, 'task dropped');
    } finally {
      done.abort();
    }
  }

  /** Resolves, once the control plane was told, with what kept the task from being done; undefined where it is done. */
  async #work(task: ClaimedTask, signal: AbortSignal): Promise<AgentError | undefined> {
    const { controlPlane } = this.#parts;
    const { id, kind, lock } = task;
    const outcome = await this.#parts.diagnose().catch(faultOf);
    if (!(outcome instanceof AgentError)) {
      await this.#report(signal, () => controlPlane.completeTask(id, lock, outcome, signal));
      return undefined;
    }
    const told = `${kind} could not be finished on this host`;
    await this.#report(signal, () => controlPlane.failTask(id, lock, told, signal));
    return outcome;
  }

  /** Extends the lock at half of its time. Never resolves while it is held; rejects when it is lost. */
  async #holdLock({ id, lock, lockSeconds }: ClaimedTask, signal: AbortSignal): Promise<never> {
    const { clock, controlPlane } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(lockSeconds * 500, signal);
      if (signal.aborted) break;
      await controlPlane.extendTask(id, lock, signal).catch((error: unknown) => {
        if (!isRetryable(error)) throw error;
      });
    }
    return new Promise(() => {});
  }

  async #report(signal: AbortSignal, send: () => Promise<void>): Promise<void> {
    const backoff = new Backoff(this.#parts.random);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send();
      } catch (error) {
        if (!isRetryable(error) || attempt === REPORT_ATTEMPTS || signal.aborted) throw error;
        await this.#parts.clock.sleep(backoff.next(error), signal);
      }
    }
  }
}

function inWords(fault: AgentError): LogFields {
  return { code: fault.code, detail: fault.message, stack: framesOf(fault) };
}

function isRetryable(error: unknown): error is AgentError {
  return error instanceof AgentError && error.retryable;
}
