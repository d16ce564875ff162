import { aborted } from '../aborted.ts';

/** What a call gives before a signal aborts; undefined after that, and what it gives later is zeroed. */
export async function inTime(
  call: () => Promise<Buffer>,
  signal: AbortSignal,
): Promise<{ first: Buffer | undefined; settled: Promise<void> }> {
  const late = aborted(signal);
  const value = call();
  const first = await Promise.race([value, late]);
  const settled = value.then(
    (unwanted) => void (first === undefined && unwanted.fill(0)),
    () => {},
  );
  return { first, settled };
}
