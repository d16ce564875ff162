import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { z } from 'zod';

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
  expect(told.offlineRestartMs).toBeLessThan(2_000);
}, 90_000);
