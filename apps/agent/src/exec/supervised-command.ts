import { constants } from 'node:os';
import type { Environment } from '@sallyport/config/load';
import { exitCodes } from '../exit-codes.ts';
import { startChild, type Child, type CommandLine } from './child.ts';
import type { MaskedValues } from './mask.ts';

const forwarded: NodeJS.Signals[] = [
  'SIGTERM',
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
];
/** A terminal sends these to the whole foreground group itself; sent on, they would come twice. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGINT',
  'SIGQUIT',
  'SIGWINCH',
  'SIGCONT',
]);
/** After one of these no command is started any more, unless the one that there is may go on after it. */
const stops: ReadonlySet<NodeJS.Signals> = new Set(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP']);

/**
 * A command that is started, and started anew, until it ends by itself. From the beginning signals are for the
 * command: one that ended this process would leave the command without a parent, and files behind.
 */
export class SupervisedCommand implements Disposable {
  /** The exit code that tells how the command ended; rejects when it cannot be run. */
  readonly ended: Promise<number>;
  readonly #stopping = new AbortController();
  /** Aborts when a signal has said that no command is to be started any more. */
  readonly stopped: AbortSignal = this.#stopping.signal;
  readonly #line: CommandLine;
  readonly #masked: MaskedValues | undefined;
  readonly #end = Promise.withResolvers<number>();
  readonly #onSignal = (signal: NodeJS.Signals) => this.#pass(signal);
  #child: Child | undefined;
  /** Another is to be started: there is none yet, or the one that runs has been told to end. */
  #isReplaced = true;
  #isOver = false;

  constructor(line: CommandLine, masked: MaskedValues | undefined) {
    this.#line = line;
    this.#masked = masked;
    this.ended = this.#end.promise.finally(() => (this.#isOver = true));
    // Whoever waits for it is told; nobody does while the values are read.
    this.ended.catch(() => {});
    for (const signal of forwarded) process.on(signal, this.#onSignal);
  }

  [Symbol.dispose](): void {
    for (const signal of forwarded) process.off(signal, this.#onSignal);
  }

  /** Starts it, unless a signal has said meanwhile that it is not wanted any more. */
  start(env: Environment): void {
    if (this.stopped.aborted) return;
    this.#isReplaced = false;
    try {
      const child = startChild(this.#line, env, this.#masked);
      this.#child = child;
      child.exited.then((code) => {
        if (!this.#isReplaced || this.stopped.aborted) this.#end.resolve(code);
      }, this.#end.reject);
    } catch (error) {
      this.#end.reject(error);
    }
  }

  /**
   * Ends the command by SIGTERM, and by SIGKILL after `graceMs`, and starts it with another environment. Nothing
   * when it has ended by itself.
   */
  async restart(graceMs: number, env: Environment): Promise<void> {
    const child = this.#child;
    if (this.#isOver || child === undefined || this.stopped.aborted) return;
    this.#isReplaced = true;
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await child.exited.finally(() => clearTimeout(kill));
    this.#child = undefined;
    if (!this.stopped.aborted) this.start(env);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #pass(signal: NodeJS.Signals): void {
    if (stops.has(signal) && !this.#mayGoOnAfter(signal)) {
      this.#stopping.abort();
      if (this.#child === undefined)
        this.#end.resolve(exitCodes.signalBase + constants.signals[signal]);
    }
    // The command that comes reads everything anew; the one that goes is left to end in order.
    if (signal === 'SIGHUP' && this.#isReplaced && !this.stopped.aborted) return;
    if (!process.stdin.isTTY || !fromTerminal.has(signal)) this.#child?.kill(signal);
  }

  /** SIGHUP tells many programs to read their files anew, and SIGINT some that run to break off what they do. */
  #mayGoOnAfter(signal: NodeJS.Signals): boolean {
    if (signal === 'SIGHUP') return this.#child !== undefined;
    return signal === 'SIGINT' && !this.#isReplaced;
  }
}
