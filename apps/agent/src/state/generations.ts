import { randomBytes } from 'node:crypto';
import { generation, type Generation } from '@sallyport/contract';
import { z } from 'zod';
import { AgentError } from '../agent-error.ts';
import type { StateDirectory } from './state-directory.ts';

/** `generation.json`: what the last session left, and what the next one is to leave once it was asked for. */
const stored = z.strictObject({
  current: generation.shape.current,
  next: generation.shape.next.optional(),
});

/**
 * Where this state directory stands in the row of the agent's sessions. A copy of it stands where it was copied,
 * and the control plane sees that when the second of the two opens a session.
 */
export class Generations {
  readonly #state: Pick<StateDirectory, 'read' | 'write'>;

  constructor(state: Pick<StateDirectory, 'read' | 'write'>) {
    this.#state = state;
  }

  /**
   * What to show when a session is opened; the same again until `taken`, so that a lost reply is no copy.
   * Where nothing can be kept, nothing moves on.
   */
  async show(): Promise<Generation | undefined> {
    const { current, next: before } = await this.#read();
    // It may have been taken by now, so that on a disk that is full it is still the one to show.
    if (before !== undefined) return { current, next: before };
    const next = newGeneration();
    if (await this.#write({ current, next })) return { current, next };
    return current === null ? undefined : { current, next: current };
  }

  /** The control plane has taken it. Where that cannot be kept, the same is shown and taken once more. */
  async taken({ current, next }: Generation): Promise<void> {
    if (current !== next) await this.#write({ current: next });
  }

  async #write(content: z.infer<typeof stored>): Promise<boolean> {
    try {
      await this.#state.write('generation.json', JSON.stringify(content));
      return true;
    } catch (error) {
      if (error instanceof AgentError) return false;
      throw error;
    }
  }

  /** Where the file is damaged the row is broken, as it is for a copy. */
  async #read(): Promise<z.infer<typeof stored>> {
    const bytes = await this.#state.read('generation.json');
    if (bytes === undefined) return { current: null };
    try {
      return stored.parse(JSON.parse(bytes.toString('utf8')));
    } catch {
      return { current: null };
    }
  }
}

function newGeneration(): string {
  return randomBytes(16).toString('base64url');
}
