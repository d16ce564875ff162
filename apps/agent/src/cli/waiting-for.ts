import type { CliContext } from './context.ts';
import { reportNotice } from './report-failure.ts';

const FIRST_MS = 1_000;
const EVERY_MS = 10_000;

/** What is told where the agent is to answer at once. */
export const ASKING_AGENT = 'asking the agent';

/** Tells a person at a terminal what is waited for, once that has taken a second, and every ten from then on. */
export async function waitingFor<Value>(
  what: string | (() => string),
  { stderr }: Pick<CliContext, 'stderr'>,
  work: Promise<Value>,
  firstMs = FIRST_MS,
): Promise<Value> {
  if (stderr.isTTY !== true) return work;
  const tell = () => {
    reportNotice(`${typeof what === 'string' ? what : what()} …`, { stderr });
    timer = setTimeout(tell, EVERY_MS);
  };
  let timer = setTimeout(tell, firstMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
