import { fileURLToPath, URL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';

afterAll(() => expectNoLeftovers());

const isGlibc = JSON.stringify(process.report.getReport()).includes('"glibcVersionRuntime"');
const why = isGlibc && process.arch === 'x64' ? undefined : 'this is not Linux on x64 with glibc';
const describeOnGlibc = why === undefined ? describe : describe.skip;

const module = fileURLToPath(new URL('small-memory.ts', import.meta.url));

/** Takes 400 buffers of 96 KiB with a small one after each, and lets the large ones go; prints what it still has of them. */
const script = `
  import { readFileSync } from 'node:fs';
  const mib = () => Number(/^RssAnon:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  const { keepMemorySmall } = await import(${JSON.stringify(module)});
  if (process.argv[1] === 'small') keepMemorySmall();
  const before = mib();
  const kept = [];
  let large = [];
  for (let taken = 0; taken < 400; taken += 1) {
    large.push(new Uint8Array(96 * 1024).fill(1));
    kept.push(new Uint8Array(1024).fill(1));
  }
  const taken = mib() - before;
  large = undefined;
  gc();
  // The first has them freed by another thread, for which the second waits.
  gc();
  console.log(JSON.stringify({ taken, left: mib() - before, kept: kept.length }));
`;

async function leftOf(mode: 'small' | 'as it is'): Promise<{ taken: number; left: number }> {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--expose-gc'];
  const command = [...node, '--input-type=module', '--eval', script, mode];
  const child = startProcess({ command });
  const [json] = await child.waitForLine(/^\{.*\}$/);
  await child.exited;
  const { taken, left }: { taken: number; left: number } = JSON.parse(json);
  return { taken, left };
}

describeOnGlibc(titleOrLeftOut('[SG-07] memory that a process has freed', why), () => {
  test('goes back to the host', async () => {
    const { taken, left } = await leftOf('small');
    expect(taken).toBeGreaterThan(35);
    expect(left).toBeLessThan(10);
  });

  test('is kept by one that does not ask for that', async () => {
    const { taken, left } = await leftOf('as it is');
    expect(taken).toBeGreaterThan(35);
    expect(left).toBeGreaterThan(30);
  });
});
