import { rm } from 'node:fs/promises';
import { DemoFailure, narrate } from './demo/narrator.ts';
import { createScene } from './demo/scene.ts';
import { story } from './demo/story.ts';

/** `npm run demo [-- --json]`: a secret's journey with real processes, from an operator's call to an application. */
const json = process.argv.includes('--json');
const narrator = narrate({ json });
const scene = await createScene();
try {
  const measured = await story(scene, narrator);
  narrator.finish({ ok: true, ...measured });
} catch (error) {
  narrator.fail(
    error instanceof DemoFailure
      ? error.message
      : error instanceof Error
        ? error.message
        : 'unknown failure',
  );
  process.exitCode = 1;
} finally {
  await scene.end();
  await rm(scene.folder, { recursive: true, force: true });
}
