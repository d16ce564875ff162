import type { ServerResponse } from 'node:http';
import type { DoubleAgent, Refusal } from './authority.ts';

type Outcome = 'changed' | 'leases' | 'nothing' | Refusal;

/** The pulls that are held back. */
export class WaitingPulls {
  readonly #answers = new Map<(outcome: Outcome) => void, DoubleAgent>();

  get size(): number {
    return this.#answers.size;
  }

  /** Resolves with what the pull is answered, or with `nothing` after `ms` or when its caller hangs up. */
  async wait(agent: DoubleAgent, ms: number, response: ServerResponse): Promise<Outcome> {
    // The caller may have hung up while its proofs were checked.
    if (response.destroyed) return 'nothing';
    return new Promise((resolve) => {
      const end = (outcome: Outcome) => {
        clearTimeout(timer);
        this.#answers.delete(end);
        resolve(outcome);
      };
      const timer = setTimeout(() => end('nothing'), ms);
      response.once('close', () => end('nothing'));
      this.#answers.set(end, agent);
    });
  }

  answerAll(outcome: Outcome): void {
    for (const answer of this.#answers.keys()) answer(outcome);
  }

  answerOf(agent: DoubleAgent | undefined, outcome: Outcome): void {
    for (const [answer, waiting] of this.#answers) if (waiting === agent) answer(outcome);
  }
}
