import { AgentError } from '../agent-error.ts';
import { codeOf } from '../state/system-error.ts';

/** For output of this program that did not reach the place it was meant for. */
export function outputLost(cause: Error): AgentError {
  return new AgentError(
    'output.lost',
    `standard output cannot be written (${codeOf(cause) ?? 'unknown reason'})`,
    { advice: 'make room or give it another place', cause },
  );
}

/**
 * This process's streams while they carry a command's output: a fault of theirs is the command's affair, which
 * learns of it as it would without a mask, and does not end this process.
 */
export class OwnOutput implements Disposable {
  readonly #streams = [process.stdout, process.stderr];
  readonly #before = this.#streams.map((stream) => stream.rawListeners('error'));
  readonly #onError = (error: Error) => (this.#fault ??= error);
  #fault: Error | undefined;

  constructor() {
    for (const stream of this.#streams)
      stream.removeAllListeners('error').on('error', this.#onError);
  }

  /** @throws AgentError `output.lost`, unless whoever read it merely left */
  assertWritten(): void {
    if (this.#fault !== undefined && codeOf(this.#fault) !== 'EPIPE') throw outputLost(this.#fault);
  }

  [Symbol.dispose](): void {
    for (const [index, stream] of this.#streams.entries()) {
      stream.off('error', this.#onError);
      for (const listener of this.#before[index] ?? [])
        stream.on('error', (error: Error) => {
          Reflect.apply(listener, stream, [error]);
        });
    }
  }
}
