/** What a step found that it must not have. */
export class DemoFailure extends Error {}

export type Step = { name: string; ms: number };
export type Narrator = {
  /** Runs a step, and tells of it in one line with its time; `tell` adds what was seen. */
  step<T>(name: string, work: () => Promise<T>, tell?: (result: T) => string): Promise<T>;
  finish(result: Record<string, unknown>): void;
  fail(reason: string): void;
};

/** Tells the story on standard output; with `json` also its last line as one object. */
export function narrate({ json }: { json: boolean }): Narrator {
  const steps: Step[] = [];
  let current = 'setting the scene';
  const say = (text: string) => process.stdout.write(`${text}\n`);
  return {
    async step(name, work, tell) {
      current = name;
      const startedAt = performance.now();
      const result = await work();
      const ms = Math.round((performance.now() - startedAt) * 10) / 10;
      steps.push({ name, ms });
      say(`${String(ms).padStart(8)} ms  ${name}${tell === undefined ? '' : `: ${tell(result)}`}`);
      return result;
    },
    finish(result) {
      say('\nThe story is told; everything it made is gone again.');
      if (json) say(JSON.stringify({ ...result, steps }));
    },
    fail(reason) {
      say(`\nThe demo failed at "${current}": ${reason}`);
      if (json) say(JSON.stringify({ ok: false, failedAt: current, reason, steps }));
    },
  };
}

/** @throws DemoFailure */
export function expectThat(condition: boolean, otherwise: string): void {
  if (!condition) throw new DemoFailure(otherwise);
}
