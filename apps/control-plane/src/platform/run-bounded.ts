import vm from 'node:vm';

const context = vm.createContext({ work: undefined });
const script = new vm.Script('work()');
/** How much longer than its share of a processor a piece of work may take on a host that has others to run. */
const MAX_STRETCH = 8;

/** Thrown by `runBounded`. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';
}

/**
 * Runs synchronous work and ends it when it takes too long, also inside one regular expression, which nothing else on
 * the same thread could do. The limit is in time of a processor: work that was ended because the host was busy is
 * begun again, and so it must leave no trace.
 *
 * @throws TimeLimitError
 */
export function runBounded<T>(limitMs: number, work: () => T): T {
  for (let stretch = 1; stretch <= MAX_STRETCH; stretch *= 2) {
    const before = process.threadCpuUsage();
    const done = attempt(limitMs * stretch, work);
    if (done !== undefined) return done.result;
    const { user, system } = process.threadCpuUsage(before);
    if ((user + system) / 1000 >= 0.9 * limitMs) break;
  }
  throw new TimeLimitError(`not done after ${limitMs} ms`);
}

/** Undefined when the time was over. */
function attempt<T>(timeoutMs: number, work: () => T): { result: T } | undefined {
  let done: { result: T } | undefined;
  context['work'] = () => {
    done = { result: work() };
  };
  try {
    script.runInContext(context, { timeout: timeoutMs });
  } catch (error) {
    if (!isTimeout(error)) throw error;
  } finally {
    context['work'] = undefined;
  }
  return done;
}

function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}
