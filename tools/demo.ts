import { constants } from 'node:os';
import { DemoFailure, narrate } from './demo/narrator.ts';
import { createScene } from './demo/scene.ts';
import { story, type Measured } from './demo/story.ts';

/** `npm run demo [-- --json]`: a secret's journey with real processes, from an operator's call to an application. */
const narrator = narrate({ json: process.argv.includes('--json') });
let signal: NodeJS.Signals | undefined;
const interrupted = new Promise<never>((_resolve, reject) => {
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      signal ??= name;
      reject(new DemoFailure(`${name} stopped it`));
    });
});

interrupted.catch(() => {});

try {
  const measured = await perform();
  narrator.finish({ ok: true, ...measured });
} catch (error) {
  // Ctrl-C reaches what the story talks to as well, which may be the first to complain.
  const reason = signal === undefined ? undefined : `${signal} stopped it`;
  narrator.fail(reason ?? (Error.isError(error) ? error.message : 'unknown failure'));
  process.exitCode = signal === undefined ? 1 : 128 + constants.signals[signal];
}
// A story that was interrupted may still wait for what will not come.
process.exit();

/** Tells the story. Whatever comes of it, nothing that it made is left when this settles. */
async function perform(): Promise<Measured> {
  const scene = await createScene();
  try {
    return await Promise.race([interrupted, story(scene, narrator)]);
  } finally {
    await scene.end();
  }
}
