import { fileURLToPath, URL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { titleOrLeftOut } from '@sallyport/testkit/left-out';
import { expectNoLeftovers, startProcess } from '@sallyport/testkit/process';
import { z } from 'zod';

afterAll(() => expectNoLeftovers());

const isGlibc = JSON.stringify(process.report.getReport()).includes('"glibcVersionRuntime"');
const why = isGlibc && process.arch === 'x64' ? undefined : 'this is not Linux on x64 with glibc';
const describeOnGlibc = why === undefined ? describe : describe.skip;

/** In MiB, but for the last. */
const told = z.object({
  taken: z.number(),
  left: z.number(),
  young: z.number(),
  /** By how much the heap grew before its garbage was collected. */
  grown: z.number(),
});

const here = (file: string) => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));

/**
 * Takes 100 buffers of 400 KiB with a small one after each, lets the large ones go, makes garbage, and prints what it
 * still has of the buffers, and how much room V8 has for new objects and for garbage.
 */
const script = `
  import { readFileSync } from 'node:fs';
  import { getHeapSpaceStatistics } from 'node:v8';
  const mib = () => Number(/^RssAnon:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  if (process.argv[1] === 'small') {
    await import(${here('small-heap.ts')});
    (await import(${here('libc.ts')})).libc().returnFreed();
  }
  // Freed, it has the allocator keep blocks up to this size from then on.
  for (const size of [1, 2, 3]) new Uint8Array(size * 1024 * 1024).fill(1);
  gc();
  gc();
  const before = mib();
  const kept = [];
  let large = [];
  for (let taken = 0; taken < 100; taken += 1) {
    large.push(new Uint8Array(400 * 1024).fill(1));
    kept.push(new Uint8Array(16 * 1024).fill(1));
  }
  const taken = mib() - before;
  large = undefined;
  gc();
  // The first has them freed by another thread, for which the second waits.
  gc();
  const left = mib() - before;
  const lasting = Array.from({ length: 300_000 }, (_, index) => ({ index }));
  gc();
  const heap = () => process.memoryUsage().heapUsed;
  const base = heap();
  const room = () => getHeapSpaceStatistics().find((each) => each.space_name === 'new_space').space_size;
  const rooms = [];
  let most = 0;
  for (let made = 0; made < 3_000_000; made += 1) {
    kept[made % 100_000] = { made };
    if (made % 10_000 !== 0) continue;
    most = Math.max(most, heap());
    rooms.push(room());
  }
  // Amid a collection it has more for a moment.
  const young = rooms.toSorted((a, b) => a - b)[rooms.length / 2];
  const grown = most / base;
  // Held until here.
  lasting.length = 0;
  console.log(JSON.stringify({ taken, left, young: young / 1024 / 1024, grown }));
`;

async function afterAllOf(mode: 'small' | 'as it is'): Promise<z.infer<typeof told>> {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--expose-gc'];
  const command = [...node, '--input-type=module', '--eval', script, mode];
  const child = startProcess({ command });
  const [json] = await child.waitForLine(/^\{.*\}$/);
  await child.exited;
  return told.parse(JSON.parse(json));
}

describeOnGlibc(titleOrLeftOut('[SG-07] memory that a process has done with', why), () => {
  test('goes back to the host, and there is little room for what is new', async () => {
    const { taken, left, young, grown } = await afterAllOf('small');
    expect(taken).toBeGreaterThan(35);
    expect(left).toBeLessThan(10);
    expect(young).toBeLessThan(4);
    expect(grown).toBeLessThan(3.2);
  });

  test('is kept by one that does not ask for that', async () => {
    const { taken, left, young } = await afterAllOf('as it is');
    expect(taken).toBeGreaterThan(35);
    expect(left).toBeGreaterThan(30);
    expect(young).toBeGreaterThan(6);
  });
});
