/** What an agent runs, or a group has. */
type Position = { revision: number; epoch: number };

/** A pull that waits. `answer` is called once, with what ended the wait. */
export type Waiter = Position & {
  agentId: string;
  groupId: string;
  answer: (outcome: WaitOutcome) => void;
};

/** Whether an agent runs another revision or epoch than its group's current one. */
export function isBehind({ revision, epoch }: Position, current: Position): boolean {
  return revision !== current.revision || epoch !== current.epoch;
}

/**
 * `changed`: look again; `leases`: have the agent name its leases again; `nothing`: the time is up; `gone`: the client
 * has hung up; the rest end the pull with an error.
 */
export type WaitOutcome =
  | 'changed'
  | 'leases'
  | 'nothing'
  | 'revoked'
  | 'superseded'
  | 'stopping'
  | 'gone';

/**
 * The pulls that wait on this replica: one per agent, found by agent and by group. It holds no connection,
 * no query and no timer per group.
 */
export class Hub {
  readonly #byAgent = new Map<string, Waiter>();
  readonly #byGroup = new Map<string, Set<string>>();

  get size(): number {
    return this.#byAgent.size;
  }

  /** Adds a waiter; an older pull of the same agent is told that it was superseded. */
  add(waiter: Waiter): void {
    this.settle(waiter.agentId, 'superseded');
    this.#byAgent.set(waiter.agentId, waiter);
    const agents = this.#byGroup.get(waiter.groupId) ?? new Set();
    this.#byGroup.set(waiter.groupId, agents.add(waiter.agentId));
  }

  /** Ends an agent's wait, if it waits. `only` leaves a newer pull of the same agent alone. */
  settle(agentId: string, outcome: WaitOutcome, only?: Waiter): void {
    const waiter = this.#byAgent.get(agentId);
    if (waiter === undefined || (only !== undefined && waiter !== only)) return;
    this.#byAgent.delete(agentId);
    const agents = this.#byGroup.get(waiter.groupId);
    agents?.delete(agentId);
    if (agents?.size === 0) this.#byGroup.delete(waiter.groupId);
    waiter.answer(outcome);
  }

  /** Ends the wait of every agent of a group that runs another revision or epoch. */
  settleGroup(groupId: string, current: Position): void {
    for (const agentId of this.#byGroup.get(groupId) ?? []) {
      const waiter = this.#byAgent.get(agentId);
      if (waiter !== undefined && isBehind(waiter, current)) this.settle(agentId, 'changed');
    }
  }

  /** Ends every wait: this replica stops. */
  settleAll(outcome: WaitOutcome): void {
    for (const agentId of this.#byAgent.keys()) this.settle(agentId, outcome);
  }

  waitsIn(groupId: string): number {
    return this.#byGroup.get(groupId)?.size ?? 0;
  }

  groups(): string[] {
    return [...this.#byGroup.keys()];
  }
}
