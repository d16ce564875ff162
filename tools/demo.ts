import { constants } from 'node:os';
import { DemoFailure, narrate } from './demo/narrator.ts';
import { createScene } from './demo/scene.ts';
import { story, type Measured } from './demo/story.ts';

/** `npm run demo [-- --json]`: a secret's journey with real processes, from an operator's call to an application. */
const narrator = narrate({ json: process.argv.includes('--json') });
const signalled = new Promise<NodeJS.Signals>((resolve) => {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, resolve);
});

try {
  const measured = await perform();
  narrator.finish({ ok: true, ...measured });
} catch (error) {
  narrator.fail(Error.isError(error) ? error.message : 'unknown failure');
  process.exitCode ??= 1;
}
// A story that was interrupted may still wait for what will not come.
process.exit();

/** Tells the story. Whatever comes of it, nothing that it made is left when this settles. */
async function perform(): Promise<Measured> {
  const scene = await createScene();
  try {
    return await Promise.race([interruption(), story(scene, narrator)]);
  } finally {
    await scene.end();
  }
}

async function interruption(): Promise<never> {
  const signal = await signalled;
  process.exitCode = 128 + constants.signals[signal];
  throw new DemoFailure(`${signal} stopped it`);
}
