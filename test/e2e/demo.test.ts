import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { watch } from 'node:fs';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startWithin } from '@sallyport/testkit/patience';
import { startProcess, type TestProcess } from '@sallyport/testkit/process';
import { createTempDirectory } from '@sallyport/testkit/temp';
import { z } from 'zod';
import { processesNow } from '../fixtures/places.ts';

const result = z.object({
  ok: z.literal(true),
  propagationMs: z.number(),
  offlineRestartMs: z.number(),
  steps: z.array(z.object({ name: z.string(), ms: z.number() })),
});

/** Runs the demo as a newcomer does, and gives its lines. */
async function runDemo(): Promise<{ code: unknown; lines: string[] }> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'tools/demo.ts', '--json'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = await once(child, 'close');
  return { code, lines: output.trim().split('\n') };
}

test('[SG-01] [SG-22] [F-02] the demo tells the whole journey: delivery, change, a refused token, an offline restart, catching up', async () => {
  const { code, lines } = await runDemo();
  expect(lines.join('\n')).not.toContain('failed');
  expect(code).toBe(0);
  const told = result.parse(JSON.parse(lines.at(-1) ?? ''));
  expect(told.steps.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'use the token a second time',
      'start the agent again, with no control plane',
      'change the secret once more; the agent catches up',
    ]),
  );
  // Bounds, not benchmarks: a change is there in seconds, and F-02 asks for the durable bundle in under 2 s.
  expect(told.propagationMs).toBeGreaterThan(0);
  expect(told.propagationMs).toBeLessThan(5_000);
  expect(told.offlineRestartMs).toBeGreaterThan(0);
  expect(told.offlineRestartMs).toBeLessThan(await startWithin(2_000));
}, 90_000);

/** `npm run demo`, which keeps its things in `folder`. */
function startDemo(folder: string): TestProcess {
  const env = { TMPDIR: folder };
  return startProcess({ command: ['npm', 'run', 'demo', '--', '--json'], env, ownGroup: true });
}

const STOPPED = { reason: expect.stringMatching(/^SIG(INT|TERM) stopped it$/) };

/** No file, no process, and no word that all is well, but what is `told` instead. */
async function expectGone(demo: TestProcess, folder: string, told: object = STOPPED) {
  expect(JSON.parse(demo.stdout.at(-1) ?? '')).toMatchObject({ ok: false, ...told });
  expect(demo.output()).not.toMatch(/is gone again/);
  const running = (await processesNow()).filter(({ bytes }) => bytes.includes(folder));
  expect(running.map(({ bytes }) => bytes.toString())).toEqual([]);
  expect((await readdir(folder)).filter((name) => name.startsWith('sallyport'))).toEqual([]);
}

test('a SIGTERM to `npm run demo` in the middle of the story ends all that it started and removes all that it made', async () => {
  await using folder = await createTempDirectory('demo-test');
  await chmod(folder.path, 0o711);
  const demo = startDemo(folder.path);
  await demo.waitForLine(/write a secret through the REST API/, 60_000);
  demo.kill('SIGTERM');
  expect(await demo.exited).toEqual({ code: 143, signal: null });
  await expectGone(demo, folder.path);
}, 90_000);

test('a Ctrl-C before the first step is done does so too', async () => {
  await using folder = await createTempDirectory('demo-test');
  await chmod(folder.path, 0o711);
  const watcher = watch(folder.path);
  const ended = new AbortController();
  const made = on(watcher, 'change', { signal: ended.signal });
  const demo = startDemo(folder.path);
  try {
    // One that fails before it makes its folder makes none at all.
    void demo.exited.then(() => ended.abort(new Error(`the demo ended early: ${demo.output()}`)));
    for await (const [, name] of made) if (String(name).startsWith('sallyport-demo-')) break;
    demo.pressCtrlC();
    await demo.exited;
  } finally {
    watcher.close();
    await demo.stop();
  }
  expect(await demo.exited).toEqual({ code: 130, signal: null });
  await expectGone(demo, folder.path);
}, 90_000);

test('[SG-01] a step that fails ends it with exit code 1 and the name of that step, and all that was made is gone', async () => {
  await using folder = await createTempDirectory('demo-test');
  // No socket can have a path of this length: no agent is enrolled that could not be run.
  const deep = join(folder.path, 'x'.repeat(90));
  await mkdir(deep);
  for (const each of [folder.path, deep]) await chmod(each, 0o711);
  const demo = startDemo(deep);
  expect(await demo.exited).toEqual({ code: 1, signal: null });
  const failedAt = 'enrol an agent; its keys are made on its host';
  expect(demo.output()).toContain(`The demo failed at "${failedAt}": enrolment exited 8`);
  await expectGone(demo, deep, { failedAt });
}, 120_000);
